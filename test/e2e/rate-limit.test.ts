import { Agent, request } from "undici";
import { expect, onTestFinished, test } from "vitest";
import { Installation } from "../support/daemon.ts";
import { startUpstream } from "../support/upstream.ts";

const SECONDS = 10;
const RATE = 100;
/** A second's worth: a machine that stands still for less than that loses nothing of the rate. */
const BURST = 100;

test(`${RATE}/s hit from four connections over two threads for ${SECONDS} s admits within 1 % of exact`, async () => {
  const gateway = new Installation({
    PROXY_RATE_LIMIT_REQUESTS: String(RATE),
    PROXY_RATE_LIMIT_WINDOW: "1s",
    PROXY_RATE_LIMIT_BURST: String(BURST),
  });
  const daemon = await gateway.serve({ workers: 2 });
  await gateway.run("sandbox", "add", "box", "--url", await startUpstream((_req, res) => res.end("ok")));
  const { authorization } = await gateway.token();
  let admitted = 0;
  let refused = 0;
  let first = 0;
  const until = performance.now() + SECONDS * 1000;
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      const dispatcher = new Agent({ connections: 1 });
      onTestFinished(() => dispatcher.destroy());
      while (performance.now() < until) {
        first ||= performance.now();
        const response = await request(`${daemon.url}/s/box/`, { headers: { authorization }, dispatcher });
        await response.body.dump();
        if (response.statusCode === 200) admitted += 1;
        else if (response.statusCode === 429) refused += 1;
      }
    }),
  );
  const exact = BURST + RATE * ((performance.now() - first) / 1000);
  console.info(`admitted ${admitted}, exact ${exact.toFixed(1)}, refused ${refused}`);
  expect(refused).toBeGreaterThan(1000);
  expect(Math.abs(admitted - exact) / exact).toBeLessThan(0.01);
}, 40_000);
