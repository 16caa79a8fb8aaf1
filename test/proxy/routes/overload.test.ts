import { Agent, request } from "undici";
import { expect, onTestFinished, test } from "vitest";
import { startTestGateway } from "../../support/gateway.ts";
import { startUpstream } from "../../support/upstream.ts";

const SLOTS = 4;
const CALL_MS = 100;
const OVERLOAD = 4;
const SECONDS = 4;
/** Until the queue has been found to be one that does not drain. */
const WARM_UP_MS = 2_000;

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1] as number;
}

test("four times more calls than can be served: those served have waited a fraction of QUEUE_TIMEOUT, the others are told at once", async () => {
  const env = { MAX_CONCURRENT_REQUESTS: String(SLOTS), MAX_CONCURRENT_PER_CALLER: String(SLOTS) };
  const gateway = await startTestGateway({ env: { ...env, MAX_CONCURRENT_PER_SANDBOX: String(SLOTS) } });
  await gateway.addSandbox("box", await startUpstream((_req, res) => void setTimeout(() => res.end("ok"), CALL_MS)));
  const authorization = await gateway.authorization();
  const dispatcher = new Agent({ connections: 500 });
  onTestFinished(() => dispatcher.destroy());
  const served: number[] = [];
  const refused: number[] = [];
  const answers = new Set<string>();
  const start = performance.now();
  const call = async (): Promise<void> => {
    const since = performance.now();
    const reply = await request(`${gateway.url}/s/box/`, { headers: { authorization }, dispatcher });
    await reply.body.dump();
    if (since - start < WARM_UP_MS) return;
    answers.add(`${reply.statusCode} ${String(reply.headers["retry-after"])}`);
    (reply.statusCode === 200 ? served : refused).push(performance.now() - since);
  };
  const everyMs = CALL_MS / SLOTS / OVERLOAD;
  const calls: Promise<void>[] = [];
  for (let number = 0; number * everyMs < SECONDS * 1000; number++) {
    while (performance.now() < start + number * everyMs) await new Promise((resolve) => setTimeout(resolve, 1));
    calls.push(call());
  }
  await Promise.all(calls);
  expect(answers).toEqual(new Set(["200 undefined", "503 1"]));
  // Without a bound on what the queue is worth those served wait 5 s.
  expect(median(served)).toBeLessThan(1_500);
  expect(median(refused)).toBeLessThan(1_000);
  const possible = (SLOTS * (SECONDS * 1000 - WARM_UP_MS)) / CALL_MS;
  expect(served.length).toBeGreaterThan(possible / 2);
}, 30_000);
