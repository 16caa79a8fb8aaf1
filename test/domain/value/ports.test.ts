import * as fc from "fast-check";
import { expect, test } from "vitest";
import { portFrom, ports } from "../../../src/domain/value/ports.ts";

test("a port has one spelling", () => {
  expect(["1", "80", "65535"].map(portFrom)).toEqual([1, 80, 65_535]);
  for (const text of ["", "0", "080", "65536", "655350", "+80", "8e1", " 80", "80\n", "٨٠", "８０"]) {
    expect([text, portFrom(text)]).toEqual([text, undefined]);
  }
});

test.each([
  ["3000", "3000"],
  ["8080,3000", "3000,8080"],
  [" 3000 , 8000-8100\t9000 ", "3000,8000-8100,9000"],
  ["80-90,85-100,101,1-65535", "1-65535"],
  ["80,81,82,84", "80-82,84"],
  ["80-80", "80"],
])("%j is %s", (text, written) => {
  expect(ports().format(ports().parse(text))).toBe(written);
});

test.each([
  "",
  ",",
  "0",
  "080",
  "65536",
  "-1",
  "80-",
  "-80",
  "90-80",
  "80-90-100",
  "a",
  "80;90",
  "1-0x50",
  "８０",
  "8".repeat(1000),
])("%j is no list of ports", (text) => {
  expect(() => ports().parse(text)).toThrow(expect.objectContaining({ code: "VAL_010" }));
});

test("a list has an end", () => {
  const list = Array.from({ length: 65 }, (_, index) => String(2 * index + 1));
  expect(() => ports().parse(list.join(","))).toThrow(
    expect.objectContaining({ details: "more than 64 ports and ranges" }),
  );
});

const inAny = (all: readonly (readonly [number, number])[], one: number): boolean =>
  all.some(([a, b]) => a <= one && one <= b);

test("what is written holds the ports that were named, and no others", () => {
  const port = fc.integer({ min: 1, max: 40 });
  const ranges = fc.array(fc.tuple(port, port), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(ranges, (pairs) => {
      const named = pairs.map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
      const parsed = ports().parse(named.map((pair) => pair.join("-")).join(","));
      for (let one = 1; one <= 41; one++) expect(inAny(parsed, one)).toBe(inAny(named, one));
      expect(ports().parse(ports().format(parsed))).toEqual(parsed);
    }),
  );
});
