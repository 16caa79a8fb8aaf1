import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { briefDuration, fields, printable, table } from "../../../src/cli/output/output.ts";

describe("table", () => {
  it("aligns columns to the left, two spaces apart, without trailing space", () => {
    expect(
      table(
        ["ID", "SUBJECT", "AGE"],
        [
          ["a", "somebody", "1s"],
          ["long-id", "b", ""],
        ],
      ),
    ).toEqual(["ID       SUBJECT   AGE", "a        somebody  1s", "long-id  b"]);
  });

  it("is a list where a page is narrower than it, so that nothing wraps in a column and all can be copied", () => {
    const rows = [
      ["a", "http://127.0.0.1:9000"],
      ["long-id", ""],
    ];
    const whole = ["ID       URL", "a        http://127.0.0.1:9000", "long-id"];
    expect(table(["ID", "URL"], rows, 30)).toEqual(whole);
    expect(table(["ID", "URL"], rows, 29)).toEqual([
      "id:   a",
      "url:  http://127.0.0.1:9000",
      "",
      "id:   long-id",
      "url:",
    ]);
    expect(table(["ID", "URL"], [], 5)).toEqual(["ID  URL"]);
  });

  it("shows what a terminal would obey instead of sending it", () => {
    expect(table(["X"], [["\u001b[2Jgone\r\n"]])).toEqual(["X", "\\u{1b}[2Jgone\\u{d}\\u{a}"]);
  });
});

describe("printable", () => {
  it("leaves no control character, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      }),
    );
  });

  it("leaves ordinary text alone, in any language", () => {
    expect(printable("Grüße, 世界 👍")).toBe("Grüße, 世界 👍");
  });
});

describe("fields", () => {
  it("puts values below each other", () => {
    expect(fields({ id: "x", subject: "y" })).toEqual(["id:       x", "subject:  y"]);
  });
});

describe("briefDuration", () => {
  it.each([
    [-5, "0s"],
    [0, "0s"],
    [119_999, "119s"],
    [120_000, "2m"],
    [3 * 60_000, "3m"],
    [2 * 3_600_000, "2h"],
    [47 * 3_600_000, "47h"],
    [48 * 3_600_000, "2d"],
  ])("says %i ms as %s", (milliseconds, text) => {
    expect(briefDuration(milliseconds)).toBe(text);
  });
});
