import { Agent, request } from "undici";
import { expect, onTestFinished, test } from "vitest";
import { Installation } from "../support/daemon.ts";
import { startUpstream } from "../support/upstream.ts";

const SECONDS = 3;
const RATE = 100;
/** Two seconds' worth: a machine that stands still for less than that loses nothing of the rate. */
const BURST = 200;

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
  let firstSent = 0;
  let firstAnswered = 0;
  let lastSent = 0;
  const until = performance.now() + SECONDS * 1000;
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      const dispatcher = new Agent({ connections: 1 });
      onTestFinished(() => dispatcher.destroy());
      while (performance.now() < until) {
        lastSent = performance.now();
        firstSent ||= lastSent;
        const response = await request(`${daemon.url}/s/box/`, { headers: { authorization }, dispatcher });
        await response.body.dump();
        firstAnswered ||= performance.now();
        if (response.statusCode === 200) admitted += 1;
        else if (response.statusCode === 429) refused += 1;
      }
    }),
  );
  // It began to count between the first request's sending and its answer, and had what it could admit until the last was sent.
  const exact = (from: number, to: number): number => BURST + RATE * ((to - from) / 1000);
  const [least, most] = [exact(firstAnswered, lastSent), exact(firstSent, performance.now())];
  console.info(`admitted ${admitted}, exact ${least.toFixed(1)} to ${most.toFixed(1)}, refused ${refused}`);
  expect(refused).toBeGreaterThan(1000);
  expect(admitted).toBeGreaterThan(least * 0.99);
  expect(admitted).toBeLessThan(most * 1.01);
}, 40_000);
