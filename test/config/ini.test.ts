import * as fc from "fast-check";
import { parse, stringify } from "ini";
import { expect, test } from "vitest";
import { readIni } from "../../src/config/ini.ts";

test("entries come with their line, whatever ends the lines and whatever stands before them", () => {
  const lines = ["\uFEFF[gateway]", "", "; note", "A = 1", "  # note", "[proxy]", "B=two words"];
  const expected = [
    { line: 4, key: "A", value: "1" },
    { line: 7, key: "B", value: "two words" },
  ];
  for (const end of ["\n", "\r\n", "\r"]) expect(readIni(lines.join(end))).toMatchObject(expected);
});

test("a byte order mark does not hide a key on the first line", () => {
  expect(readIni("\uFEFFA=1")).toMatchObject([{ line: 1, key: "A", value: "1", flaw: undefined }]);
});

test("values are what the ini package makes of them", () => {
  const value = fc.string({ unit: "grapheme", maxLength: 30 });
  fc.assert(
    fc.property(value, (text) => {
      const written = stringify({ KEY: text });
      fc.pre(!/[\r\n]/.test(written.trimEnd()));
      expect(readIni(written)[0]?.value).toBe(String(parse(written)["KEY"]));
    }),
  );
});

test("what the ini package writes comes back without a flaw, unless the package itself would change it", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 30 }), (text) => {
      fc.pre(!/["'\\\r\n]/.test(text));
      expect(readIni(stringify({ KEY: text }))).toMatchObject([{ value: text, flaw: undefined }]);
    }),
  );
});

test("no text makes it throw", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("A", "=", '"', "'", ";", "#", "\\", "[", "]", "\n", " ", "\u2028")),
      (parts) => {
        expect(() => readIni(parts.join(""))).not.toThrow();
      },
    ),
  );
});

test.each([
  ["K=abc;def", "abc", "; starts a comment and cuts the value"],
  ["K=abc#def", "abc", "# starts a comment and cuts the value"],
  ["K=#abc", "", "# starts a comment and cuts the value"],
  ['K="abc;def" ; note', '"abc', "the closing quote must end the line"],
  ['K="abc" # note', '"abc"', "the closing quote must end the line"],
  ['K="abc', '"abc', "the closing quote must end the line"],
  ["K='1e3'", "1000", "single quotes change this value"],
  ['K="C:\\path"', '"C:\\path"', "invalid escape in double quotes"],
])("%s: the package reads %s, and that is said", (line, value, flaw) => {
  expect(readIni(line)).toMatchObject([{ key: "K", value, flaw: expect.stringContaining(flaw) }]);
});

test.each([
  ["K = abc ; a note", "abc"],
  ["K = ; a note", ""],
  ["K = abc\\;def", "abc;def"],
  ['K = "abc;#def"', "abc;#def"],
  ['K = ""', ""],
  ["K = 'abc'", "abc"],
  ["K = '8080'", "8080"],
  ["K = a=b", "a=b"],
  ["K = true", "true"],
  ["K = null", "null"],
  ["K =", ""],
])("%s has no flaw", (line, value) => {
  expect(readIni(line)).toMatchObject([{ key: "K", value, flaw: undefined }]);
});

test.each([
  ["GATEWAY_PORT", "expected KEY = value"],
  ["GATEWAY_PORT: 8080", "expected KEY = value"],
  ["=8080", "expected KEY = value"],
  ["[gateway] ; the listener", "a section header stands alone on its line"],
])("%s is not an entry, and none of it is repeated", (line, flaw) => {
  expect(readIni(line)).toEqual([{ line: 1, key: "", value: "", flaw, commented: false }]);
});
