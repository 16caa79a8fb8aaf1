import { describe, expect, it } from "vitest";
import { entriesOf } from "../../src/audit/entries.ts";

describe("the entries of links", () => {
  it("are their records, each with its own number and the hash of its link", () => {
    const links = [
      { seq: 4, count: 1, lines: "a", hash: "h1" },
      { seq: 7, count: 3, lines: "b\nc\nd", hash: "h2" },
    ];
    expect(entriesOf(links)).toEqual([
      { seq: 4, record: "a", hash: "h1" },
      { seq: 5, record: "b", hash: "h2" },
      { seq: 6, record: "c", hash: "h2" },
      { seq: 7, record: "d", hash: "h2" },
    ]);
  });

  it("end with the link's own number even when its count was tampered with", () => {
    expect(entriesOf([{ seq: 7, count: 9, lines: "a\nb", hash: "h" }]).map(({ seq }) => seq)).toEqual([6, 7]);
  });
});
