import { expect, test } from "vitest";
import { UnfinishedCalls } from "../../src/audit/unfinished.ts";

/** What is unfinished after these links, each given as its records. */
function unfinishedAfter(...links: (readonly object[])[]): number[] {
  const calls = new UnfinishedCalls();
  let seq = 0;
  for (const records of links) {
    seq += records.length;
    calls.add({ seq, count: records.length, lines: records.map((one) => JSON.stringify(one)).join("\n"), hash: "" });
  }
  return calls.list().map((entry) => entry.seq);
}

const start = (id: string) => ({ kind: "start", request_id: id });
const end = (id: string) => ({ kind: "execute", request_id: id, path: "/", started: true });

test("a start whose end comes later, in the same link or another, is finished; the others are told in order", () => {
  expect(unfinishedAfter([start("a"), start("b")], [end("a"), start("c"), end("c")], [start("d")])).toEqual([2, 6]);
});

test("neither an end without a start record nor a path that speaks of one finishes anything", () => {
  const others = [
    { kind: "proxy", request_id: "a", path: "/" },
    { kind: "proxy", request_id: "a", path: ',"started":true' },
    { kind: "proxy", request_id: "b", path: '{"kind":"start"' },
  ];
  expect(unfinishedAfter([start("a")], others)).toEqual([1]);
});
