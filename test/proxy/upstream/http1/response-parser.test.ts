import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ResponseParser } from "../../../../src/proxy/upstream/http1/response-parser.ts";
import { ProtocolError } from "../../../../src/proxy/upstream/upstream.ts";

interface Read {
  readonly status: number;
  readonly fields: string[];
  body: string;
  /** undefined until the response is complete. */
  reusable: boolean | undefined;
}

/** Reads responses from pieces of a connection's bytes. */
function readPieces(pieces: readonly string[], { method = "GET", close = false } = {}): Read[] {
  const responses: Read[] = [];
  const parser = new ResponseParser({
    onSwitch: () => undefined,
    onHead: (status, fields) => void responses.push({ status, fields, body: "", reusable: undefined }),
    onHints: () => undefined,
    onTrailers: () => undefined,
    onBody: (chunk) => {
      const last = responses.at(-1);
      if (last !== undefined) last.body += chunk.toString("latin1");
    },
    onComplete: (reusable) => {
      const last = responses.at(-1);
      if (last !== undefined) last.reusable = reusable;
    },
  });
  parser.expect(method);
  for (const piece of pieces) parser.read(Buffer.from(piece, "latin1"));
  if (close) parser.close();
  return responses;
}

function failureOf(work: () => unknown): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}

const isExpected = (failure: unknown): boolean => failure === undefined || failure instanceof ProtocolError;

const VALID: Readonly<Record<string, readonly [bytes: string, body: string, reusable: boolean]>> = {
  length: ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: \t a \xff \r\n\r\nhello", "hello", true],
  "no length": ["HTTP/1.1 200 OK\r\n\r\nhello", "hello", false],
  "no reason": ["HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "", true],
  chunks: [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\nhel\r\n02 \r\nlo\r\n0\r\nX-T: 1\r\n\r\n",
    "hello",
    true,
  ],
  close: ["HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 5\r\n\r\nhello", "hello", false],
  "HTTP/1.0": ["HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", false],
  informational: ["HTTP/1.1 103 Hints\r\nX: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true],
  204: ["HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "", true],
};

describe("a response", () => {
  test.each(Object.entries(VALID))(
    "with %s is read the same however its bytes are cut",
    (_, [bytes, body, reusable]) => {
      const whole = readPieces([bytes], { close: true });
      expect(whole).toMatchObject([{ body, reusable }]);
      const cuts = fc.uniqueArray(fc.nat({ max: bytes.length }), { maxLength: 8 });
      fc.assert(
        fc.property(cuts, (places) => {
          const ends = [...places.toSorted((a, b) => a - b), bytes.length];
          const pieces = ends.map((end, index) => bytes.slice(ends[index - 1] ?? 0, end));
          expect(readPieces(pieces, { close: true })).toEqual(whole);
        }),
      );
      expect(readPieces(bytes.split(""), { close: true })).toEqual(whole);
    },
  );

  test("has its fields in lower case, in order, each as often as it came", () => {
    const [response] = readPieces([
      "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nX-Y:b\r\nset-cookie: c\r\nContent-Length: 0\r\n\r\n",
    ]);
    expect(response?.fields).toEqual(["set-cookie", "a", "x-y", "b", "set-cookie", "c", "content-length", "0"]);
  });

  test("to HEAD has no body whatever its length", () => {
    const bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    expect(readPieces([bytes], { method: "HEAD" })).toMatchObject([{ body: "", reusable: true }]);
  });

  test("does not keep a length with 204", () => {
    expect(readPieces([VALID["204"]?.[0] ?? ""])[0]?.fields).toEqual([]);
  });

  test.each(["length", "chunks"])("with %s that is closed in the middle is an error, wherever that is", (name) => {
    const bytes = VALID[name]?.[0] ?? "";
    for (let end = 0; end < bytes.length; end++) {
      expect(() => readPieces([bytes.slice(0, end)], { close: true })).toThrow(ProtocolError);
    }
  });

  test.each([
    ["a line break in a value", "X: a\rb"],
    ["a NUL in a value", "X: \0"],
    ["a DEL in a value", "X: \x7f"],
    ["an empty name", ": a"],
    ["a space after a name", "X : a"],
    ["a folded line", "X: a\r\n b"],
    ["a length beyond counting", "Content-Length: 9999999999999999"],
    ["two lengths", "Content-Length: 5\r\nContent-Length: 5"],
    ["a length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked"],
    ["a coding nobody asked for", "Transfer-Encoding: gzip, chunked"],
    ["two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"],
  ])("with %s is an error", (_, field) => {
    expect(() => readPieces([`HTTP/1.1 200 OK\r\n${field}\r\n\r\n`])).toThrow(ProtocolError);
  });

  test.each([
    "HTTP/2.0 200 OK",
    "HTTP/1.1 600 Odd",
    "HTTP/1.1 99 Odd",
    "HTTP/1.1  200 OK",
    "ICY 200 OK",
    "HTTP/1.0 101 Up",
  ])("that begins with %s is an error", (line) => {
    expect(() => readPieces([`${line}\r\nContent-Length: 0\r\n\r\n`])).toThrow(ProtocolError);
  });

  test("with chunks but HTTP/1.0 is an error", () => {
    expect(() => readPieces(["HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])).toThrow(ProtocolError);
  });

  test.each([
    "x\r\n",
    "-1\r\n",
    "0x5\r\n",
    " 5\r\n",
    "5\n",
    "\r\n",
    "5\rhello",
    "1234567890123\r\n",
    `1;${"x".repeat(5000)}`,
  ])("with the chunk size %j is an error", (size) => {
    expect(() => readPieces([`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${size}`])).toThrow(ProtocolError);
  });

  test("followed by bytes nobody asked for is complete, and then an error", () => {
    const responses: number[] = [];
    const parser = new ResponseParser({
      onSwitch: () => undefined,
      onHead: (status) => void responses.push(status),
      onHints: () => undefined,
      onTrailers: () => undefined,
      onBody: () => undefined,
      onComplete: () => void responses.push(0),
    });
    parser.expect("GET");
    const bytes = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 404 Evil\r\n\r\n";
    expect(() => parser.read(Buffer.from(bytes))).toThrow(ProtocolError);
    expect(responses).toEqual([200, 0]);
  });

  test("of any bytes whatever neither hangs nor fails in an unknown way", () => {
    const part = fc.oneof(
      fc.string({ unit: "binary", maxLength: 20 }),
      fc.constantFrom(
        "HTTP/1.1 200 OK\r\n",
        "\r\n",
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "3\r\n",
        "0\r\n",
      ),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 10 }), (pieces) => {
        expect(failureOf(() => readPieces(pieces, { close: true }))).toSatisfy(isExpected);
      }),
      { numRuns: 2000 },
    );
  });
});
