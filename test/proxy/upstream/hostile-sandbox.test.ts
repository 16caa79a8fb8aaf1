import type { Socket } from "node:net";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { bodyOf, codeOf, flood, GOOD, hostileGateway } from "../../support/hostile.ts";
import { RawConnection } from "../../support/raw-connection.ts";

const INVALID: Readonly<Record<string, string>> = {
  garbage: "SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
  binary: "\x00\x01\x02\x03\x04\x05",
  "a status of two digits": "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
  "a status of four digits": "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
  "status 000": "HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
  "status 099": "HTTP/1.1 099 OK\r\nContent-Length: 4\r\n\r\nevil",
  "status 600": "HTTP/1.1 600 OK\r\nContent-Length: 4\r\n\r\nevil",
  "status 999": "HTTP/1.1 999 OK\r\nContent-Length: 4\r\n\r\nevil",
  "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nevil!",
  "the same length twice": "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nevil",
  "a list of lengths": "HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\nevil",
  "a signed length": "HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nevil",
  "a negative length": "HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nevil",
  "a hexadecimal length": "HTTP/1.1 200 OK\r\nContent-Length: 0x4\r\n\r\nevil",
  "an empty length": "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nevil",
  "a length behind a vertical tab": "HTTP/1.1 200 OK\r\nContent-Length: \v4\r\n\r\nevil",
  "a length before a space that is none": "HTTP/1.1 200 OK\r\nContent-Length: 4\xa0\r\n\r\nevil",
  "a coding behind a space that is none":
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: \xa0chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
  "a length of 2^64": "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nevil",
  "a length beyond counting": "HTTP/1.1 200 OK\r\nContent-Length: 9007199254740993\r\n\r\nevil",
  "chunks and a length":
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
  "a length and chunks":
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
  "a coding nobody asked for": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
  "an unknown coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
  "chunked twice": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
  "an upgrade nobody asked for": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nevil",
  "a 101 that names no protocol": "HTTP/1.1 101 Switching Protocols\r\n\r\nevil",
  "eleven times 100": "HTTP/1.1 100 Continue\r\n\r\n".repeat(11) + GOOD,
  "eleven informational answers": "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(11) + GOOD,
  "an informational answer with a body": `HTTP/1.1 103 Early Hints\r\nContent-Length: 4\r\n\r\nevil${GOOD}`,
  "a NUL in a value": "HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 4\r\n\r\nevil",
  "a control character in a value": "HTTP/1.1 200 OK\r\nX-A: \x01\r\nContent-Length: 4\r\n\r\nevil",
  "a DEL in a value": "HTTP/1.1 200 OK\r\nX-A: \x7f\r\nContent-Length: 4\r\n\r\nevil",
  "a bare CR in a value": "HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\nContent-Length: 4\r\n\r\nevil",
  "a bare LF in a value": "HTTP/1.1 200 OK\r\nX-A: 1\nX-B: 2\r\nContent-Length: 4\r\n\r\nevil",
  "a folded value": "HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 4\r\n\r\nevil",
  "a space in a name": "HTTP/1.1 200 OK\r\nX A: 1\r\nContent-Length: 4\r\n\r\nevil",
  "a space after a name": "HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 4\r\n\r\nevil",
  "a line without a colon": "HTTP/1.1 200 OK\r\nX-A\r\nContent-Length: 4\r\n\r\nevil",
  "only LF": "HTTP/1.1 200 OK\nContent-Length: 4\n\nevil",
  "20 KiB of fields": `HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(20_000)}\r\nContent-Length: 4\r\n\r\nevil`,
};

test("an answer that is not proper HTTP becomes 502, and its connection is never used again", async () => {
  const names = Object.keys(INVALID);
  const { gateway, open, ask } = await hostileGateway((path) => INVALID[names[Number(path.slice(1))] as string]);
  const outcomes: Record<string, string> = {};
  for (const [index, name] of names.entries()) {
    const { text, statuses } = await ask(`/${index}`);
    outcomes[name] = `${statuses.join()} ${codeOf(text)} executed: ${/"executed":"(\w+)"/.exec(text)?.[1]}`;
    expect(text).not.toContain("evil");
    expect(bodyOf((await ask("/")).text)).toBe("good");
  }
  expect(outcomes).toEqual(Object.fromEntries(names.map((name) => [name, "502 PROXY_004 executed: maybe"])));
  await eventually("no connection is kept but the good one", () => open.size <= 1);
  expect(gateway.internalErrors).toEqual([]);
});

const ODD: Readonly<Record<string, readonly [bytes: string, method: string, fields: RegExp, body: string]>> = {
  "chunk extensions": [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nod\r\n1;c\r\nd\r\n0;d\r\n\r\n",
    "GET",
    /chunked/,
    "2\r\nod\r\n1\r\nd\r\n0\r\n\r\n",
  ],
  trailers: [
    "HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nodd\r\n0\r\nX-T: evil\r\n\r\n",
    "GET",
    /chunked/,
    "3\r\nodd\r\n0\r\n\r\n",
  ],
  "a 100 nobody waits for": [`HTTP/1.1 100 Continue\r\n\r\n${GOOD}`, "GET", /content-length: 4/, "good"],
  "ten informational answers": [
    "HTTP/1.1 103 Early Hints\r\nX-Early: evil\r\n\r\n".repeat(10) + GOOD,
    "GET",
    /content-length: 4/,
    "good",
  ],
  "a body after HEAD": ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "HEAD", /content-length: 4/, ""],
  "chunks after HEAD": [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
    "HEAD",
    /200 OK/,
    "",
  ],
  "a body with 204": [
    "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil",
    "GET",
    /204(?!.*content-length)/s,
    "",
  ],
  "a body with 304": ["HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil", "GET", /304/, ""],
  "another answer behind the first": [
    `${GOOD}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`,
    "GET",
    /content-length: 4/,
    "good",
  ],
  "garbage behind the answer": [`${GOOD}evil\0evil`, "GET", /content-length: 4/, "good"],
  "HTTP/1.0": ["HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nodd", "GET", /^HTTP\/1\.1 200/, "odd"],
  "Connection naming the length": [
    "HTTP/1.1 200 OK\r\nConnection: Content-Length, X-Evil\r\nX-Evil: evil\r\nContent-Length: 3\r\n\r\nodd",
    "GET",
    /content-length: 3/,
    "odd",
  ],
};

test("what is odd but clear passes without its oddity, and what stands behind it reaches nobody", async () => {
  const names = Object.keys(ODD);
  const { ask, gateway } = await hostileGateway((path) => ODD[names[Number(path.slice(1))] as string]?.[0]);
  for (const [index, name] of names.entries()) {
    const [, method, fields, body] = ODD[name] as (typeof ODD)[string];
    const { text } = await ask(`/${index}`, { method });
    expect({ name, body: bodyOf(text) }).toEqual({ name, body });
    expect(text).toMatch(fields);
    const following = await Promise.all([ask("/"), ask("/"), ask("/")]);
    expect(following.map((reply) => bodyOf(reply.text))).toEqual(["good", "good", "good"]);
    expect(text + following.map((reply) => reply.text).join("")).not.toContain("evil");
  }
  expect(gateway.internalErrors).toEqual([]);
});

test("bytes that come while nothing is asked end the connection", async () => {
  const idle: Socket[] = [];
  const { ask, open } = await hostileGateway((_path, socket) => {
    idle.push(socket);
    return GOOD;
  });
  expect(bodyOf((await ask("/idle")).text)).toBe("good");
  idle[0]?.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  await eventually("the connection is closed", () => !open.has(idle[0] as Socket));
  expect(bodyOf((await ask("/")).text)).toBe("good");
});

test("a connection that is closed behind an answer, without a word, is not used for the next call", async () => {
  const { gateway, authorization } = await hostileGateway((_path, socket) => void socket.end(GOOD), {
    env: { PROXY_POOL_SIZE: "2" }, // fewer than callers: whoever waits gets a connection as soon as it is free
  });
  const call = `POST /s/box/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nAuthorization: ${authorization}\r\n\r\n`;
  const clients = [1, 2, 3, 4].map(() => new RawConnection(gateway.port));
  for (let round = 1; round <= 20; round++) {
    for (const client of clients) client.send(call);
    await eventually("all are answered", () => clients.every(({ statuses }) => statuses.length === round));
  }
  expect(clients.flatMap(({ statuses }) => statuses)).toEqual(Array(80).fill(200));
});

test("when all connections have died unnoticed, calls that may be repeated succeed, and of others one fails", async () => {
  let dying = false;
  const { open, ask } = await hostileGateway((path, socket) => {
    if (path === "/hold") return void held.push(() => void socket.write(GOOD));
    if (dying && old.has(socket)) return void socket.resetAndDestroy();
    return GOOD;
  });
  const held: (() => void)[] = [];
  let old = new Set<Socket>();
  /** Makes ten calls at the same time, which leaves ten connections. */
  const fill = async (): Promise<void> => {
    dying = false;
    const calls = Array.from({ length: 10 }, () => ask("/hold"));
    await eventually("all calls are there", () => held.length === 10);
    for (const answer of held.splice(0)) answer();
    await Promise.all(calls);
    old = new Set(open);
    dying = true;
  };
  await fill();
  const repeated = await Promise.all(Array.from({ length: 10 }, () => ask("/x")));
  expect(repeated.flatMap(({ statuses }) => statuses)).toEqual(Array(10).fill(200));
  await fill();
  const statuses = [];
  for (let round = 0; round < 3; round++) statuses.push((await ask("/x", { method: "POST" })).statuses[0]);
  expect(statuses).toEqual([502, 200, 200]);
});

describe("an answer without end", () => {
  test.each([
    ["of fields", "HTTP/1.1 200 OK\r\n", `X-Header: ${"a".repeat(1_000)}\r\n`],
    ["of one field", "HTTP/1.1 200 OK\r\nX-Header: ", "a".repeat(10_000)],
    ["of informational answers", "", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(100)],
  ])("%s becomes 502 long before it has been sent", async (_, start, piece) => {
    let sent: (() => number) | undefined;
    const { ask, open, gateway } = await hostileGateway((_path, socket) => {
      sent = flood(socket, start, piece);
      return undefined;
    });
    const { text, statuses } = await ask("/flood");
    expect(statuses).toEqual([502]);
    expect(codeOf(text)).toBe("PROXY_004");
    await eventually("the connection is closed", () => open.size === 0);
    expect(sent?.()).toBeLessThan(20_000_000);
    expect(bodyOf((await ask("/")).text)).toBe("good");
    expect(gateway.internalErrors).toEqual([]);
  });

  test("that drips head byte after head byte is given up at the first-byte deadline, one whose first line never ends before", async () => {
    const { ask, open } = await hostileGateway(
      (path, socket) => {
        if (path === "/line") return void flood(socket, "HTTP/1.1 200 ", "because ".repeat(100));
        const drip = setInterval(() => void socket.write("HTTP/1.1 200 OK\r\n"[at++] ?? "X"), 20);
        let at = 0;
        socket.once("close", () => clearInterval(drip));
        return undefined;
      },
      { env: { PROXY_TIMEOUT: "300ms" } },
    );
    const replies = await Promise.all([ask("/drip"), ask("/line")]);
    expect(replies.map(({ statuses, text }) => [...statuses, codeOf(text)])).toEqual([
      [504, "PROXY_003"],
      [502, "PROXY_004"],
    ]);
    await eventually("the connections are closed", () => open.size === 0);
  });

  test("that has no bytes of a body in it is refused when it has grown too long", async () => {
    const { ask, open } = await hostileGateway(
      (_path, socket) =>
        void flood(socket, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=", "x".repeat(100)),
      { env: { PROXY_STREAM_IDLE_TIMEOUT: "300ms" } },
    );
    const { text, closed } = await ask("/extension");
    expect(closed).toBe(true);
    expect(bodyOf(text) === "" || codeOf(text) === "PROXY_004").toBe(true);
    await eventually("the connection is closed", () => open.size === 0);
  });
});

describe("an answer that stops early", () => {
  const answers: Record<string, string> = {
    length: "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n0123456789",
    chunks: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5;a=b\r\n56789\r\n0\r\n\r\n",
  };

  test.each([
    ["length", "end"],
    ["length", "reset"],
    ["chunks", "end"],
    ["chunks", "reset"],
  ])("anywhere (%s, %s) is a 502 or a broken transfer, never a whole answer, never other bytes", async (kind, way) => {
    const whole = answers[kind] as string;
    const { ask, gateway } = await hostileGateway((path, socket) => {
      const part = whole.slice(0, Number(path.slice(1)));
      const close = (): void => void (way === "end" ? socket.end() : socket.resetAndDestroy());
      if (part === "") close();
      else socket.write(part, "latin1", close);
      return undefined;
    });
    const offsets = Array.from({ length: whole.length }, (_, offset) => offset);
    const wrong: Record<number, string> = {};
    for (let from = 0; from < offsets.length; from += 10) {
      const replies = offsets.slice(from, from + 10).map(async (offset) => {
        const { text, statuses } = await ask(`/${offset}`);
        const broken = kind === "length" ? bodyOf(text).length < 10 : !text.endsWith("0\r\n\r\n");
        const body = kind === "length" ? bodyOf(text) : bodyOf(text).replace(/\r\n|[15a]\r\n/g, "");
        const prefix = kind === "chunks" || "0123456789".startsWith(body);
        if (statuses[0] === 502 ? codeOf(text) === undefined : !(broken && prefix)) wrong[offset] = text;
      });
      await Promise.all(replies);
    }
    expect(wrong).toEqual({});
    expect(bodyOf((await ask("/")).text)).toBe("good");
    expect(gateway.internalErrors).toEqual([]);
  });

  test("is told by a reset to a client that would take the end of the connection for the end of the answer", async () => {
    const { gateway, authorization } = await hostileGateway((_path, socket) => {
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n", () => void socket.end());
      return undefined;
    });
    const connection = new RawConnection(gateway.port);
    const errors: string[] = [];
    connection.socket.on("error", (error: NodeJS.ErrnoException) => void errors.push(error.code as string));
    connection.send(`GET /s/box/x HTTP/1.0\r\nAuthorization: ${authorization}\r\n\r\n`);
    await connection.end();
    expect(errors).toEqual(["ECONNRESET"]);
  });
});

/** Whether a client that reads by the rules takes `text` for one answer, whole or broken, with nothing behind it. */
function isOneAnswer(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  const head = text.slice(0, end + 2);
  if (end < 0 || !/^HTTP\/1\.1 [2-5]\d\d [A-Za-z -]+\r\n(?:[!-9;-~]+: [\t -~\x80-\xff]*\r\n)+$/.test(head))
    return false;
  const body = text.slice(end + 4);
  if (/^HTTP\/1\.1 (?:204|304)/.test(head)) return body === "";
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1];
  if (length !== undefined) return body.length <= Number(length);
  if (!/\r\ntransfer-encoding: chunked\r\n/i.test(head)) return false;
  let rest = body;
  for (let line = /^([0-9a-f]+)\r\n/.exec(rest); line !== null; line = /^([0-9a-f]+)\r\n/.exec(rest)) {
    const size = Number.parseInt(line[1] as string, 16);
    if (size === 0) return rest === "0\r\n\r\n";
    rest = rest.slice(line[0].length + size + 2);
  }
  return rest === "";
}

describe("whatever is changed in a valid answer,", () => {
  const splice = fc.record({
    at: fc.nat({ max: 1_000 }),
    remove: fc.constantFrom(0, 0, 0, 1, 2, 10),
    insert: fc.constantFrom(
      "",
      "\r\n",
      "\n",
      "\r",
      "\0",
      " ",
      ":",
      ",",
      "\xff",
      "0",
      "5",
      "Transfer-Encoding: chunked\r\n",
      "Content-Length: 3\r\n",
      "Connection: close\r\n",
      "Connection: content-length\r\n",
      "Upgrade: x\r\n",
      "0\r\n\r\n",
      "\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
      "HTTP/1.1 103 Early Hints\r\n\r\n",
      "HTTP/1.0",
      "101",
      "204",
    ),
  });
  const mutant = fc.record({ base: fc.nat({ max: 2 }), splices: fc.array(splice, { minLength: 1, maxLength: 3 }) });
  const bases = [
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n0123456789",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5;a=b\r\n56789\r\n0\r\nX-T: 1\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\nSet-Cookie: a=b\r\n\r\nuntil the end",
  ];

  test("a client gets one answer at most, and the next client its own", async () => {
    const answers = new Map<string, string>();
    const { ask, gateway } = await hostileGateway(
      (path, socket) => {
        socket.end(answers.get(path) ?? "", "latin1");
        return undefined;
      },
      { env: { PROXY_TIMEOUT: "500ms" } },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(mutant, { minLength: 25, maxLength: 25 }), async (mutants) => {
        const replies = mutants.map(async ({ base, splices }, index) => {
          const bytes = splices.reduce((text, { at, remove, insert }) => {
            const from = Math.floor((at / 1_000) * text.length);
            return text.slice(0, from) + insert + text.slice(from + remove);
          }, bases[base] as string);
          answers.set(`/${index}`, bytes);
          const { text } = await ask(`/${index}`);
          return isOneAnswer(text) ? "one" : text;
        });
        const following = mutants.map(async () => bodyOf((await ask("/")).text));
        expect(await Promise.all(replies)).toEqual(mutants.map(() => "one"));
        expect(await Promise.all(following)).toEqual(mutants.map(() => "good"));
      }),
      { numRuns: 8, endOnFailure: true },
    );
    expect(gateway.internalErrors).toEqual([]);
  });
});
