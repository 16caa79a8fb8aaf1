import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type JsonNode, JsonRefusal, MAX_JSON_DEPTH, memberOf, scanJson, valueOf } from "../../src/domain/json-scan.ts";

const BOUNDS = { members: 1_000 };

/** Why a text is refused; empty when it is not. */
function refusal(text: string | Buffer, bounds = BOUNDS): string {
  try {
    scanJson(Buffer.from(text as string), bounds);
    return "";
  } catch (error) {
    if (error instanceof JsonRefusal) return error.reason;
    throw error;
  }
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** An object of so many members. */
const flat = (count: number): string =>
  JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, at) => [at, at])));

const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;

describe("a text is JSON", () => {
  test.each([
    "0",
    "-0",
    "-0.0e-0",
    "1E+2",
    "1e400",
    "12345678901234567890",
    '""',
    '"\\u0000\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '"\\ud800"',
    '"\u{10ffff}\u007f"',
    " \t\r\n[ ] ",
    '{ "" : [ null , true , false ] }',
    '{"a":{"a":{"a":1}}}',
    '{"__proto__":1,"constructor":2}',
  ])("%j", (text) => {
    expect(refusal(text)).toBe("");
    expect(parses(text)).toBe(true);
  });

  test("behind a byte order mark, which is not part of it", () => {
    const text = Buffer.from("\ufeff[1]");
    const document = scanJson(text, BOUNDS);
    expect(valueOf(text, document)).toEqual([1]);
  });
});

describe("a text is no JSON", () => {
  test.each([
    "",
    " ",
    "[",
    "]",
    "{",
    "}",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1]]",
    "[1}",
    '{"a":1]',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{,"a":1}',
    '{"a" 1}',
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    '{"a":1 "b":2}',
    '{"a":1}{}',
    "1 2",
    "01",
    "-",
    "-a",
    "+1",
    ".5",
    "1.",
    "1.e1",
    "1e",
    "1e+",
    "0x1",
    "1_0",
    "NaN",
    "Infinity",
    "-Infinity",
    "tru",
    "truex",
    "TRUE",
    "nul",
    "undefined",
    '"',
    '"\\',
    '"\\"',
    '"\\x41"',
    '"\\u12"',
    '"\\u123g"',
    '"\\u 123"',
    '"\n"',
    '"\t"',
    '"\u0000"',
    "'a'",
    "// a\n1",
    "/**/1",
    "\u00a01",
    "\u20281",
    "\f1",
    "1\u0000",
    "[1]\ufeff",
    "\ufeff\ufeff1",
    "\ufeff",
    "é",
  ])("%j", (text) => {
    expect(refusal(text)).toBe("syntax");
    expect(parses(text)).toBe(false);
  });

  test.each([
    [0x22, 0xff, 0x22],
    [0x22, 0xc0, 0x80, 0x22], // longer than need be
    [0x22, 0xed, 0xa0, 0x80, 0x22], // half a surrogate pair
    [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22], // beyond Unicode
    [0x22, 0xe2, 0x82],
    [0x80],
  ])("because it is not UTF-8 (%j)", (...bytes) => {
    expect(refusal(Buffer.from(bytes))).toBe("utf8");
  });

  test("and it is said where", () => {
    expect(() => scanJson(Buffer.from('{"a":tru}'), BOUNDS)).toThrow("Syntax error at byte 8");
    expect(() => scanJson(Buffer.from('{"a":'), BOUNDS)).toThrow("Syntax error: it ends too early");
  });
});

describe("a text is more than will be read", () => {
  test("when it nests deeper than the greatest depth", () => {
    expect(refusal(nested(MAX_JSON_DEPTH))).toBe("");
    expect(refusal(nested(MAX_JSON_DEPTH + 1))).toBe("depth");
    expect(refusal(`${'{"a":'.repeat(MAX_JSON_DEPTH)}1${"}".repeat(MAX_JSON_DEPTH)}`)).toBe("");
    expect(refusal('{"a":'.repeat(100_000))).toBe("depth");
    expect(refusal(JSON.stringify("[{".repeat(1_000)))).toBe("");
    expect(refusal(`[${"[],{},".repeat(1_000)}0]`)).toBe("");
  });

  test("when its objects have too many members, wherever they are", () => {
    expect(refusal(flat(1_000))).toBe("");
    expect(refusal(flat(1_001))).toBe("size");
    expect(refusal(`[${flat(999)},{"a":{}}]`)).toBe("");
    expect(refusal(`[${flat(999)},{"a":{"b":1}}]`)).toBe("size");
  });

  test("when its arrays have too many elements", () => {
    expect(refusal(`[[${"0,".repeat(9_998)}0]]`)).toBe("");
    expect(refusal(`[[${"0,".repeat(9_999)}0]]`)).toBe("size");
  });

  test("when a number is longer than any program writes", () => {
    expect(refusal("1".repeat(1_100))).toBe("");
    expect(refusal("1".repeat(1_101))).toBe("size");
    expect(refusal(`1.${"1".repeat(1_100)}e5`)).toBe("size");
    expect(refusal(`1e${"0".repeat(1_100)}`)).toBe("size");
  });
});

describe("a member named twice in one object is refused", () => {
  test.each([
    '{"a":1,"a":1}',
    '{"a":1,"b":2,"\\u0061":3}',
    '{"\\u00e9":1,"é":2}',
    '{"\\ud83d\\ude00":1,"😀":2}',
    '{"\\ud800":1,"\\ud800":2}',
    '{"\\"":1,"\\u0022":2}',
    '{"":1,"":2}',
    '{"__proto__":1,"__proto__":2}',
    '[{"b":{"a":1,"a":1}}]',
  ])("%s", (text) => expect(refusal(text)).toBe("duplicate"));

  test.each([
    '{"a":1,"A":2}',
    '{"a":{"a":1},"b":{"a":1}}',
    '[{"a":1},{"a":1}]',
    '{"\\ud800":1,"\\ud801":2}',
    '{"1":1,"01":1}',
  ])("%s has none", (text) => expect(refusal(text)).toBe(""));

  test("and the refusal names it, as much of it as fits", () => {
    const name = "n".repeat(1_000);
    expect(() => scanJson(Buffer.from(`{"${name}":1,"${name}":2}`), BOUNDS)).toThrow(
      `Member "${"n".repeat(64)}" twice in one object`,
    );
  });
});

test("a node says what its value is, and where", () => {
  const text = Buffer.from(' {"é\\n": {"b": -1.50 , "c":[{},{}]},"d":[1],"e":"x","f":null,"g":[]} ');
  const document = scanJson(text, BOUNDS);
  const seen = (node: JsonNode): unknown[] => [node.name, node.kind, text.toString("utf8", node.start, node.end)];
  expect(document.members.map(seen)).toEqual([
    ["é\n", "object", '{"b": -1.50 , "c":[{},{}]}'],
    ["d", "array", "[1]"],
    ["e", "string", '"x"'],
    ["f", "literal", "null"],
    ["g", "array of objects", "[]"],
  ]);
  expect(document.members[0]?.members.map(seen)).toEqual([
    ["b", "number", "-1.50"],
    ["c", "array of objects", "[{},{}]"],
  ]);
  expect(memberOf(document, "e")).toBe(document.members[2]);
  expect(memberOf(document, "b")).toBeUndefined();
});

function around(open: string, parts: string[], close: string, gap: string): string {
  return `${open}${gap}${parts.join(`${gap},${gap}`)}${gap}${close}`;
}

/** JSON as somebody could write it: any spacing, any escapes. */
const written: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => {
  const space = fc.constantFrom("", "", " ", "\n\t");
  const text = fc.string({ unit: "binary" }).map((value) => JSON.stringify(value));
  const escaped = fc
    .string({ maxLength: 5 })
    .map(
      (value) => `"${Array.from(value, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}"`,
    );
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
    fc.bigInt().map(String),
    fc.constantFrom("1e400", "-0", "1.0", "1E-7"),
  );
  const string = fc.oneof(text, escaped);
  return {
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.oneof(number, string, fc.constantFrom("true", "false", "null")),
      fc.tuple(fc.array(tie("value"), { maxLength: 4 }), space).map(([parts, gap]) => around("[", parts, "]", gap)),
      fc
        .tuple(
          fc.uniqueArray(fc.tuple(string, tie("value")), {
            maxLength: 4,
            selector: ([name]) => JSON.parse(name) as string,
          }),
          space,
        )
        .map(([members, gap]) =>
          around(
            "{",
            members.map(([name, value]) => `${name}${gap}:${gap}${value}`),
            "}",
            gap,
          ),
        ),
    ),
  };
}).value;

test("whatever is written as JSON is taken, and its parts parse to the parts of the whole", () => {
  fc.assert(
    fc.property(written, (source) => {
      const text = Buffer.from(source);
      const document = scanJson(text, BOUNDS);
      const whole: unknown = JSON.parse(source);
      expect(valueOf(text, document)).toEqual(whole);
      const parts = document.members.map((node): [string, unknown] => [node.name, valueOf(text, node)]);
      expect(Object.fromEntries(parts)).toEqual(document.kind === "object" ? whole : {});
    }),
    { numRuns: 500 },
  );
});

test("whatever is written as JSON and then damaged is refused or taken as JSON.parse does", () => {
  const noise = fc.constantFrom(...Array.from('{}[],:"\\ \n\t0123456789-+.eEutfn\u0000é'), "\\u", "null", "");
  fc.assert(
    fc.property(written, fc.nat(), fc.nat(3), noise, (source, place, removed, added) => {
      const at = place % (source.length + 1);
      const damaged = Buffer.from(source.slice(0, at) + added + source.slice(at + removed)).toString();
      const why = refusal(damaged);
      expect(why === "duplicate" || (why === "") === parses(damaged)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test("whatever bytes come, there is a document or a refusal", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      expect(refusal(Buffer.from(bytes))).toMatch(/^(?:|syntax|utf8|depth|duplicate|size)$/);
    }),
  );
});
