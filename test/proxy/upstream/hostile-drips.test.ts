import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { bodyOf, hostileGateway } from "../../support/hostile.ts";

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

/** Sends one byte a packet; `rest` again and again when all of it has gone. */
function drip(socket: Socket, bytes: string, { everyMs, rest = "" }: { everyMs: number; rest?: string }): void {
  let at = 0;
  socket.setNoDelay(true);
  const timer = setInterval(() => {
    const byte = bytes[at++] ?? rest;
    if (byte === "") clearInterval(timer);
    else socket.write(byte, "latin1");
  }, everyMs);
  socket.once("close", () => clearInterval(timer));
}

describe("an answer that comes one byte at a time", () => {
  test.each([
    ["with a length", `${OK}X-A: b\r\nContent-Length: 10\r\n\r\n0123456789`, "0123456789"],
    ["in chunks", `${CHUNKED}5;a=b\r\n01234\r\n5\r\n56789\r\n0\r\nX-T: 1\r\n\r\n`, "0123456789"],
    ["behind an informational one", `HTTP/1.1 103 Early Hints\r\n\r\n${OK}Content-Length: 3\r\n\r\nend`, "end"],
  ])("%s arrives whole, and so does the next one", async (_, answer, body) => {
    const { ask } = await hostileGateway((_path, socket) => {
      drip(socket, answer, { everyMs: 1 });
      return undefined;
    });
    for (const path of ["/drip", "/drip", "/"]) {
      const { text } = await ask(path);
      const received = bodyOf(text).replace(/[0-9a-f]+\r\n(?:([^\r]+)\r\n|\r\n)/g, "$1");
      expect(received).toBe(path === "/" ? "good" : body);
    }
  });

  test.each([
    ["a chunk's size", CHUNKED, "0"],
    ["a chunk's extension", `${CHUNKED}4;x=`, "x"],
    ["a trailer", `${CHUNKED}4\r\nbody\r\n0\r\nX-T: `, "x"],
  ])("in %s without end is broken off when nothing of it has been body for too long", async (_, start, rest) => {
    const { ask, open, gateway } = await hostileGateway(
      (_path, socket) => {
        socket.write(start);
        drip(socket, "", { everyMs: 20, rest });
        return undefined;
      },
      { env: { PROXY_STREAM_IDLE_TIMEOUT: "300ms" } },
    );
    const { text, closed } = await ask("/drip");
    expect([closed, text.endsWith("0\r\n\r\n")]).toEqual([true, false]);
    await eventually("its connection is closed", () => open.size === 0);
    expect(bodyOf((await ask("/")).text)).toBe("good");
    expect(gateway.internalErrors).toEqual([]);
  });
});
