import { assert, nat, property, string } from "fast-check";
import { expect, test } from "vitest";
import { cut } from "../../../../src/drivers/wasm/runner/cut.ts";

test("what is cut is the longest beginning of whole characters that fits", () => {
  assert(
    property(string({ unit: "grapheme" }), nat(40), (text, maxBytes) => {
      const { text: kept, truncated } = cut(text, maxBytes);
      const next = Array.from(text)[Array.from(kept).length] ?? "";
      expect(text.startsWith(kept)).toBe(true);
      expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(maxBytes);
      expect(truncated).toBe(kept !== text);
      expect(truncated).toBe(Buffer.byteLength(kept + next) > maxBytes);
    }),
  );
});

test("a character of several bytes is kept or left out as a whole", () => {
  expect(cut("a€b", 3)).toEqual({ text: "a", truncated: true });
  expect(cut("a€b", 4)).toEqual({ text: "a€", truncated: true });
  expect(cut("a€b", 5)).toEqual({ text: "a€b", truncated: false });
});
