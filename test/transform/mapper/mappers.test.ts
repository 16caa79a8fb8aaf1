import { expect, onTestFinished, test } from "vitest";
import { type MapJob, Mappers } from "../../../src/transform/mapper/mappers.ts";
import { eventually } from "../../support/eventually.ts";
import { argumentsOf, descendantsOf } from "../../support/processes.ts";

const NEVER = new AbortController().signal;
const ENDLESS = "($f := function(){ $f() }; $f())";

function start() {
  const mappers = new Mappers();
  onTestFinished(() => mappers.close());
  const map = (expression: string, job: Partial<MapJob> = {}, signal = NEVER) =>
    mappers.map(
      {
        sandboxId: "a",
        expression,
        variables: {},
        maxOutput: 1000,
        timeoutMs: 3_000,
        body: Buffer.from('{"a":1}'),
        beginBy: Number.POSITIVE_INFINITY,
        ...job,
      },
      signal,
    );
  const said = async (expression: string, job: Partial<MapJob> = {}) => {
    const result = await map(expression, job);
    return Buffer.isBuffer(result) ? result.toString() : result.reason;
  };
  return { mappers, map, said };
}

test("what an expression does stays its own: no variable, no function, no prototype is kept for the next", async () => {
  const { said } = start();
  expect(await said("a")).toBe("1");
  expect(await said("($x := 5; $sum := 1; $x)")).toBe("5");
  expect(await said("$exists($x) & $sum([1, 2])")).toBe('"false3"');
  expect(await said("{'constructor': {'prototype': {'polluted': 1}}}")).toContain("polluted");
  expect(await said("$merge([{'toString': 1}, $]) ~> $type()")).toBe('"object"');
  expect(await said("{}.polluted")).toBe("output");
  // Looked up where it is called: never found.
  expect(await said('$eval("1")')).toBe("expression");
});

test("what takes too much time or memory ends alone: those that follow have a process of their own", async () => {
  const { said } = start();
  expect(await said(ENDLESS, { timeoutMs: 50 })).toBe("time");
  expect(await said("a", { sandboxId: "b" })).toBe("1");
  // Ends the whole process it is in, whatever limits a thread would have been given.
  expect(await said('$length($base64encode($pad("a", 300000000)))', { sandboxId: "c" })).toMatch(/^(?:memory|time)$/);
  expect(await said("a", { sandboxId: "b" })).toBe("1");
});

test("a sandbox whose expressions never end keeps no other one waiting, and rests between two of them", async () => {
  const { said } = start();
  await Promise.all([said("a"), said("a", { sandboxId: "b" })]);
  const ends: string[] = [];
  const hostile = ["x", "y", "x"].map(async (sandboxId) => {
    await said(ENDLESS, { sandboxId, timeoutMs: 100 });
    ends.push("hostile");
  });
  await Promise.all(hostile.slice(0, 2));
  const startedAt = performance.now();
  // Now it is known that they are: one process is left to all others.
  for (let index = 0; index < 5; index++) {
    expect(await said("a", { sandboxId: "b" })).toBe("1");
    ends.push("other");
  }
  await Promise.all(hostile);
  expect(ends).toEqual(["hostile", "hostile", "other", "other", "other", "other", "other", "hostile"]);
  expect(performance.now() - startedAt).toBeGreaterThan(900);
});

test("whose turn does not come in time, or who waits no more, is told so and not begun", async () => {
  const { said, map, mappers } = start();
  const first = said(ENDLESS, { timeoutMs: 300 });
  expect(await said("a", { beginBy: performance.now() + 20 })).toBe("busy");
  const leaving = new AbortController();
  const left = map("a", {}, leaving.signal);
  leaving.abort();
  expect(await left).toMatchObject({ reason: "busy" });
  const many = Array.from({ length: 65 }, () => said("a"));
  expect(await many[64]).toBe("busy");
  mappers.close();
  expect(new Set(await Promise.all(many))).toEqual(new Set(["busy"]));
  expect(await first).toMatch(/^(?:time|memory|busy)$/);
  expect(await said("a")).toBe("busy");
});

const children = () => descendantsOf(process.pid).filter((pid) => argumentsOf(pid).includes("__child\0mapper"));

test("no process stays behind", async () => {
  const { said, mappers } = start();
  await said("a");
  expect(children()).not.toEqual([]);
  mappers.close();
  await eventually("it is gone", () => children().length === 0);
});
