import { describe, expect, test } from "vitest";
import { LONGEST_DOCUMENT, parseTransformation, transformation } from "../../../src/domain/transform/transformation.ts";

const read = (document: unknown) => () => parseTransformation(JSON.stringify(document));
const text = (content: string) => () => parseTransformation(content);
const exactly = (said: string | RegExp) =>
  typeof said === "string" ? new RegExp(`^${said.replaceAll(/[\\^$*+?.()|[\]{}]/g, "\\$&")}$`) : said;
const wrong = (details: unknown) => expect.objectContaining({ code: "VAL_010", details });

test("a document without anything in it changes nothing", () => {
  expect(parseTransformation("{}")).toEqual({
    request: { path: null, query: null, headers: null, body: null },
    response: { headers: null, body: null },
  });
});

test("an expression is a text, or lines, or stands beside what else is said of it", () => {
  const lines = ["$merge([$,", '{"a": 1}])'];
  expect(read({ request: { body: lines } })().request.body).toEqual({
    expression: lines.join("\n"),
    at: "/request/body",
    onError: "fail",
    otherTypes: "pass",
    maxInput: 1024 ** 2,
    maxOutput: 1024 ** 2,
    timeoutMs: 250,
  });
  const body = {
    expression: "a",
    on_error: "pass",
    other_types: "fail",
    max_input: 10,
    max_output: "2kb",
    timeout: "1s",
  };
  expect(read({ response: { body } })().response.body).toEqual({
    expression: "a",
    at: "/response/body/expression",
    onError: "pass",
    otherTypes: "fail",
    maxInput: 10,
    maxOutput: 2048,
    timeoutMs: 1000,
  });
});

test("as a setting it is kept without the white space between its parts", () => {
  const value = transformation();
  expect(value.parse('{ "request": {\n "headers": { "remove": "a" } } }')).toBe(
    '{"request":{"headers":{"remove":"a"}}}',
  );
  expect(() => value.parse("x.json")).toThrow(wrong(expect.stringContaining("no JSON document")));
});

describe("what is wrong is said, and where", () => {
  test.each([
    [[], "the document: an object is expected"],
    [{ requests: {} }, "/requests: not one of: request, response (did you mean request?)"],
    [{ request: 1 }, "/request: an object is expected"],
    [{ response: { path: {} } }, "/response/path: not one of: headers, body"],
    [
      { request: { headers: { sett: {} } } },
      "/request/headers/sett: not one of: remove, rename, set, add (did you mean set?)",
    ],
    [{ request: { headers: { set: { "x-a": 1 } } } }, "/request/headers/set/x-a: a text is expected"],
    [{ request: { headers: { set: { "x/a": "" } } } }, '/request/headers/set/x~1a: "x/a" is no name of a field'],
    [{ request: { headers: { set: { x_a: "" } } } }, '/request/headers/set/x_a: "x_a" is no name of a field'],
    [{ request: { headers: { remove: ["a", ""] } } }, '/request/headers/remove/1: "" is no name of a field'],
    [
      { request: { headers: { set: { "x-a": "${principl}" } } } },
      '/request/headers/set/x-a: there is no variable "principl" (did you mean principal?)',
    ],
    [
      { request: { headers: { set: { "x-a": "${instance}" } } } },
      "/request/headers/set/x-a: ${instance} is not known before there is an answer",
    ],
    [
      { request: { headers: { set: { "x-a": "${role" } } } },
      "/request/headers/set/x-a: ${ without a }; write $${ where no variable is meant",
    ],
    [
      { request: { headers: { set: { "x-a": "1\r\nx-b: 2" } } } },
      "/request/headers/set/x-a: only printable ASCII, at most 4096 characters",
    ],
    [
      { request: { headers: { set: { "x-a": "é" } } } },
      "/request/headers/set/x-a: only printable ASCII, at most 4096 characters",
    ],
    [
      { request: { headers: { set: { "x-a": " b" } } } },
      "/request/headers/set/x-a: space around a value does not arrive",
    ],
    [{ request: { headers: { rename: { a: "b" }, set: { a: "" } } } }, "/request/headers/set/a: renamed and set"],
    [{ request: { query: { set: { "": "" } } } }, "/request/query/set/: a parameter has a name"],
    [{ request: { query: { rename: { a: "b" }, set: { a: "" } } } }, "/request/query/set/a: renamed and set"],
    [{ request: { path: { prefix: "/a" } } }, "/request/path: to is missing"],
    [{ request: { path: { to: "/a" } } }, "/request/path: either a prefix or a pattern is expected"],
    [
      { request: { path: { prefix: "/a", pattern: "/a", to: "/a" } } },
      "/request/path: either a prefix or a pattern is expected",
    ],
    [
      { request: { path: [{ prefix: "a", to: "/" }] } },
      "/request/path/0/prefix: a path that begins with / is expected, percent-encoded, without a query",
    ],
    [
      { request: { path: { prefix: "/", to: "/a?b" } } },
      "/request/path/to: a path that begins with / is expected, percent-encoded, without a query",
    ],
    [{ request: { path: { prefix: "/", to: "/a/%2e%2E/" } } }, "/request/path/to: a path without . and .. is expected"],
    [
      { request: { path: { pattern: "/a{b}", to: "/" } } },
      "/request/path/pattern: a path like /users/{id}/* is expected",
    ],
    [
      { request: { path: { pattern: "/*/a", to: "/" } } },
      "/request/path/pattern: a path like /users/{id}/* is expected",
    ],
    [{ request: { path: { pattern: "/{a}/{a}", to: "/" } } }, "/request/path/pattern: the same name twice"],
    [
      { request: { path: { pattern: "/{a}/*", to: "/{b}" } } },
      "/request/path/to: there is no {b} in the pattern ({a}, {*})",
    ],
    [{ request: { path: { pattern: "/{a}", to: "/{*}" } } }, "/request/path/to: there is no {*} in the pattern ({a})"],
    [{ request: { body: " " } }, "/request/body: an expression is expected"],
    [{ request: { body: {} } }, "/request/body: expression is missing"],
    [
      { request: { body: { expression: "a", on_error: "ignore" } } },
      /^\/request\/body\/on_error: "ignore" is not one of: fail, pass/,
    ],
    [
      { request: { body: { expression: "a", timeout: "1m" } } },
      /^\/request\/body\/timeout: "1m" is not between 1ms and 5s/,
    ],
    [
      { request: { body: { expression: "a", max_input: "1gb" } } },
      /^\/request\/body\/max_input: "1gb" is not between 1b and 8mb/,
    ],
  ])("%j", (document, details) => {
    expect(read(document)).toThrow(wrong(expect.stringMatching(exactly(details))));
  });

  test("a name given twice, too much nesting, too much text", () => {
    expect(text('{"request": {}, "request": {}}')).toThrow(wrong(expect.stringContaining("twice in one object")));
    expect(text("[".repeat(1000))).toThrow(wrong(expect.stringContaining("Nested too deeply")));
    expect(text(JSON.stringify({ x: "a".repeat(LONGEST_DOCUMENT) }))).toThrow(
      wrong(`longer than ${LONGEST_DOCUMENT} characters`),
    );
  });
});

const acts = (side: "request" | "response", name: string) => [
  { [side]: { headers: { set: { [name]: "a" } } } },
  { [side]: { headers: { add: { [name]: "a" } } } },
  { [side]: { headers: { remove: [name] } } },
  { [side]: { headers: { rename: { [name]: "x-other" } } } },
  { [side]: { headers: { rename: { "x-other": name } } } },
];

describe("fields that no transformation touches", () => {
  const both = [
    "Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Content-Length",
    "Content-Encoding",
    "Host",
    "Via",
    "X-Request-Id",
    "X-Sandbox-Id",
    "X-Sandbox-Anything",
    "X-Forwarded-For",
    "X-Forwarded-User",
    "Forwarded",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Accept",
    "X-Accel-Redirect",
  ];
  test.each(both)("%s, either way", (name) => {
    for (const document of [...acts("request", name), ...acts("response", name)].filter(
      (each) => !(name === "X-Accel-Redirect" && "request" in each),
    )) {
      expect(read(document)).toThrow(wrong(expect.stringContaining(`${name.toLowerCase()}: `)));
    }
  });

  test.each(["Authorization", "Idempotency-Key", "X-Request-Timeout-Ms", "X-HTTP-Method-Override", "Proxy"])(
    "%s on the way there",
    (name) => {
      for (const document of acts("request", name)) expect(read(document)).toThrow(wrong(expect.any(String)));
    },
  );

  test("who calls may be said by the gateway, but not by renaming what a client sent", () => {
    expect(read({ request: { headers: { set: { "x-remote-user": "${principal}" } } } })).not.toThrow();
    expect(read({ request: { headers: { rename: { "x-user": "x-remote-user" } } } })).toThrow(
      wrong(expect.any(String)),
    );
  });

  test("cookies and challenges of a sandbox may be taken away, not made", () => {
    for (const name of ["set-cookie", "www-authenticate"]) {
      const [set, add, remove, from, to] = acts("response", name);
      expect(read(remove)).not.toThrow();
      for (const document of [set, add, from, to]) expect(read(document)).toThrow(wrong(expect.any(String)));
    }
  });
});
