import { assert, json, property } from "fast-check";
import { expect, test } from "vitest";
import { parseLossless } from "../../../src/transform/mapper/lossless.ts";

const parsed = (text: string) => parseLossless(Buffer.from(text));

test("whatever JSON there is, it is parsed as it says, or refused", () => {
  assert(
    property(
      json().filter((text) => !text.includes('"__proto__"')),
      (text) => {
        expect(parsed(text)).toEqual(JSON.parse(text));
      },
    ),
  );
});

test.each([
  "9007199254740991",
  "-9007199254740992",
  "10000000000000000000000",
  "1e21",
  "0.1234567890123456789",
  "1.7976931348623157e308",
  '"12345678901234567890"',
  '{"a":"1e999"}',
  '{"proto":1,"constructor":{"prototype":1}}',
])("%s is taken", (text) => {
  expect(parsed(text)).toEqual(JSON.parse(text));
});

test.each([
  "9007199254740993",
  '[1,{"id":12345678901234567890}]',
  "1e400",
  "-1e309",
  '{"__proto__":1}',
  '{"\\u005f\\u005fproto__":1}',
  '{"__\\u0070roto__":1}',
  '{"a":1,"\\u0061":2}',
  "[".repeat(100) + "]".repeat(100),
  "{'a':1}",
  "",
])("%.60s is refused", (text) => {
  expect(() => parsed(text)).toThrow(expect.objectContaining({ name: "JsonRefusal" }));
});

test("a byte order mark is no part of the document", () => {
  expect(parsed("\uFEFF[1]")).toEqual([1]);
});
