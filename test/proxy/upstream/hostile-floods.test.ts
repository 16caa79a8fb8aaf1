import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { bodyOf, codeOf, flood, GOOD, hostileGateway } from "../../support/hostile.ts";
import { RawConnection } from "../../support/raw-connection.ts";

/** What of a flood the systems on the way take before anybody reads it, and a good deal more. */
const IN_BUFFERS = 20_000_000;

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;
const CHUNK = "4\r\nbody\r\n";

/** By what grows without end: what comes before it, and what comes again and again. */
const FLOODS: Readonly<Record<string, readonly [start: string, piece: string]>> = {
  "the status line": ["HTTP/1.1 200 ", "because ".repeat(1_000)],
  "one field's value": [`${OK}X-A: `, "a".repeat(10_000)],
  "one field's name": [OK, "a".repeat(10_000)],
  "the number of fields": [OK, "X-A: a\r\n".repeat(1_000)],
  "the white space before a value": [`${OK}X-A:`, " ".repeat(10_000)],
  "the informational answers": ["", "HTTP/1.1 100 Continue\r\n\r\n".repeat(100)],
  "the fields of an informational answer": ["HTTP/1.1 103 Early Hints\r\n", "Link: </x>\r\n".repeat(1_000)],
  "a chunk's size": [CHUNKED, "0".repeat(10_000)],
  "a chunk's extension": [`${CHUNKED}4;x=`, "x".repeat(10_000)],
  "a chunk's extensions": [`${CHUNKED}4`, ";x=y".repeat(1_000)],
  "the last chunk's extension": [`${CHUNKED}${CHUNK}0;x=`, "x".repeat(10_000)],
  "one trailer field": [`${CHUNKED}${CHUNK}0\r\nX-A: `, "a".repeat(10_000)],
  "the number of trailer fields": [`${CHUNKED}${CHUNK}0\r\n`, "X-A: a\r\n".repeat(1_000)],
  "what is to end a chunk": [`${CHUNKED}4\r\nbody`, "\r".repeat(10_000)],
};

describe("100 MB of an answer that grows without end", () => {
  test.each(Object.keys(FLOODS))(
    "in %s are given up early, and the next client has an answer of its own",
    async (name) => {
      const [start, piece] = FLOODS[name] as (typeof FLOODS)[string];
      const sent: (() => number)[] = [];
      const { ask, execute, open, gateway } = await hostileGateway((path, socket) => {
        if (path === "/flood" || path === "/execute") sent.push(flood(socket, start, piece));
        return undefined;
      });
      const before = process.memoryUsage().rss;
      const [proxied, executed] = await Promise.all([ask("/flood"), execute()]);
      // What had begun when it broke is broken off; what had not is an error.
      expect([proxied.closed, proxied.text.endsWith("0\r\n\r\n")]).toEqual([true, false]);
      expect(bodyOf(proxied.text).length < 20 || codeOf(proxied.text) === "PROXY_004").toBe(true);
      expect([executed.statuses, codeOf(executed.text)]).toEqual([[502], "PROXY_004"]);
      await eventually("the connections are closed", () => open.size === 0);
      expect(sent).toHaveLength(2);
      for (const bytes of sent) expect(bytes()).toBeLessThan(IN_BUFFERS);
      expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
      expect(bodyOf((await ask("/")).text)).toBe("good");
      expect(gateway.internalErrors).toEqual([]);
    },
  );

  test("in the body of an execute call's answer are given up at MAX_RESPONSE_SIZE", async () => {
    const sent: (() => number)[] = [];
    const { ask, execute, open } = await hostileGateway(
      (_path, socket) => void sent.push(flood(socket, `${OK}Content-Length: 100000000\r\n\r\n`, " ".repeat(10_000))),
      { env: { MAX_RESPONSE_SIZE: "1mb" } },
    );
    expect(codeOf((await execute()).text)).toBe("EXEC_003");
    await eventually("the connection is closed", () => open.size === 0);
    expect(sent[0]?.()).toBeLessThan(IN_BUFFERS);
    expect(bodyOf((await ask("/")).text)).toBe("good");
  });

  test("in the body of a proxied call wait for a client that does not read", async () => {
    const sent: (() => number)[] = [];
    const { gateway, authorization, ask } = await hostileGateway(
      (_path, socket) => void sent.push(flood(socket, `${OK}Content-Length: 100000000\r\n\r\n`, "x".repeat(10_000))),
    );
    const client = await RawConnection.open(gateway.port);
    client.socket.pause();
    client.send(`GET /s/box/flood HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`);
    let last = -1;
    await eventually("nothing moves any more", () => {
      const stands = last === sent[0]?.();
      last = sent[0]?.() ?? -1;
      return stands && last > 0;
    });
    expect(last).toBeLessThan(IN_BUFFERS);
    expect(bodyOf((await ask("/")).text)).toBe("good");
  });
});

describe("a body that unpacks to a thousand times its size", () => {
  const bomb = gzipSync(Buffer.alloc(100_000_000));
  const head = `${OK}Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`;
  const bombing = () =>
    hostileGateway((_path, socket) => {
      socket.write(head);
      socket.write(bomb);
      return undefined;
    });

  test("passes as it is", async () => {
    const { ask } = await bombing();
    const before = process.memoryUsage();
    const { text } = await ask("/bomb");
    const after = process.memoryUsage();
    expect(text).toMatch(/\r\ncontent-encoding: gzip\r\n/i);
    expect(Buffer.from(bodyOf(text), "latin1").equals(bomb)).toBe(true);
    expect(after.rss - before.rss).toBeLessThan(50_000_000);
  });

  test("is not unpacked where the gateway itself reads the answer", async () => {
    const { ask, execute, gateway } = await bombing();
    const before = process.memoryUsage().rss;
    expect(codeOf((await execute()).text)).toBe("EXEC_001");
    expect(process.memoryUsage().rss - before).toBeLessThan(50_000_000);
    expect(bodyOf((await ask("/")).text)).toBe("good");
    expect(gateway.internalErrors).toEqual([]);
  });
});

describe("bytes behind the end of an answer", () => {
  const EVIL = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
  const answers: Readonly<Record<string, string>> = {
    "with a length": GOOD,
    "without a body": `${OK}Content-Length: 0\r\n\r\n`,
    "in chunks": `${CHUNKED}${CHUNK}0\r\n\r\n`,
    "in chunks, with trailers": `${CHUNKED}${CHUNK}0\r\nX-T: 1\r\n\r\n`,
    "of status 204": "HTTP/1.1 204 No Content\r\n\r\n",
    "of status 304": "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n",
  };

  test.each([
    ["in the same packet", (socket: Socket, bytes: string) => void socket.write(bytes + EVIL, "latin1")],
    [
      "in a later packet",
      (socket: Socket, bytes: string) => {
        socket.setNoDelay(true);
        socket.write(bytes, "latin1", () => setTimeout(() => socket.write(EVIL), 5));
      },
    ],
  ])("reach nobody when they come %s", async (_, send) => {
    const used = new Set<Socket>();
    const { ask, execute, open, gateway } = await hostileGateway((path, socket) => {
      const own = /^\/own\/(\d+)$/.exec(path)?.[1];
      if (own !== undefined) return `${OK}Content-Length: ${own.length}\r\n\r\n${own}`;
      used.add(socket);
      const bytes =
        path === "/execute" ? `${OK}Content-Length: 2\r\n\r\n{}` : Object.values(answers)[Number(path.slice(1))];
      send(socket, bytes as string);
      return undefined;
    });
    let number = 0;
    for (const [index, name] of Object.keys(answers).entries()) {
      const { text } = await ask(`/${index}`);
      expect({ name, complete: / (?:200|204|304) /.test(text) }).toEqual({ name, complete: true });
      expect(text).not.toContain("evil");
      await eventually("its connection is closed", () => [...used].every((socket) => !open.has(socket)));
      for (const reply of await Promise.all([1, 2, 3].map((add) => ask(`/own/${number + add}`)))) {
        expect(bodyOf(reply.text)).toBe(String(++number));
      }
    }
    expect((await execute()).text).toContain('"status":"ok"');
    await eventually("its connection is closed", () => [...used].every((socket) => !open.has(socket)));
    expect((await execute()).text).not.toContain("evil");
    expect(gateway.internalErrors).toEqual([]);
  });
});

test.each(["GET", "HEAD", "POST", "OPTIONS"])("a 101 that %s has not asked for is a 502", async (method) => {
  const evil = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nevil";
  const { ask, execute, open } = await hostileGateway(() => evil);
  const { text, statuses } = await ask("/x", { method });
  expect(statuses).toEqual([502]);
  expect(text).not.toContain("evil");
  expect(codeOf((await execute()).text)).toBe("PROXY_004");
  await eventually("the connections are closed", () => open.size === 0);
  expect(bodyOf((await ask("/")).text)).toBe("good");
});
