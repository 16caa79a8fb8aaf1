import { expect, test } from "vitest";
import { type Part, Parts } from "../../../src/daemon/parts/parts.ts";

function newParts() {
  const log: string[] = [];
  const parts = new Parts({ onError: (part, error) => void log.push(`${part}: ${String(error)}`) });
  const part = (name: string, life: Partial<Part<void>> = {}): Part<void> => ({
    async start() {
      log.push(`start ${name}`);
      await life.start?.();
    },
    async stop() {
      log.push(`stop ${name}`);
      await life.stop?.();
    },
  });
  return { log, parts, part };
}

const fail = (): never => {
  throw new Error("broken");
};

test("parts stop in the reverse order of their start, each once, and the last one is waited for", async () => {
  const { log, parts, part } = newParts();
  const opened = await parts.open(
    "file",
    () => "handle",
    (handle) => void log.push(`close ${handle}`),
  );
  expect(opened).toBe("handle");
  await parts.start("a", part("a", { stop: () => new Promise((resolve) => setImmediate(resolve)) }));
  await parts.start("b", part("b"));
  await Promise.all([parts.stop(), parts.stop()]);
  expect(log).toEqual(["start a", "start b", "stop b", "stop a", "close handle"]);
});

test("a part that fails to stop stops nobody else", async () => {
  const { log, parts, part } = newParts();
  await parts.start("a", part("a"));
  await parts.start("b", part("b", { stop: fail }));
  await parts.start("c", { start: () => undefined, stop: fail });
  await parts.stop();
  expect(log).toEqual(["start a", "start b", "c: Error: broken", "stop b", "b: Error: broken", "stop a"]);
});

test("a part that never comes to an end stops nobody else either", async () => {
  const { log, parts, part } = newParts();
  await parts.start("a", part("a"));
  await parts.start("b", part("b", { stop: () => new Promise(() => undefined) }), { limitMs: 20 });
  await parts.stop();
  expect(log).toEqual(["start a", "start b", "stop b", "b: Error: not stopped within 20 ms", "stop a"]);
});

test("a part whose start fails is stopped with those before it", async () => {
  const { log, parts, part } = newParts();
  await parts.start("a", part("a"));
  await expect(parts.start("b", part("b", { start: fail }))).rejects.toThrow("broken");
  await parts.stop();
  expect(log).toEqual(["start a", "start b", "stop b", "stop a"]);
});

test("what is done every so often is done no more when it has stopped", async () => {
  const { parts } = newParts();
  let done = 0;
  await new Promise<void>((resolve) => {
    parts.every(1, () => {
      done += 1;
      resolve();
    });
  });
  await parts.stop();
  const before = done;
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(done).toBe(before);
});
