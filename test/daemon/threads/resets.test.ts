import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { startInProcessDaemon } from "../../support/in-process-daemon.ts";

const head = (...lines: string[]): string => `${lines.join("\r\n")}\r\n\r\n`;
const GET = head("GET /health HTTP/1.1", "Host: x");
const POST = ["POST /api/v1/sandbox/execute HTTP/1.1", "Host: x", "Content-Type: application/json"];
const UPGRADE = ["GET /s/box/ HTTP/1.1", "Host: x", "Connection: Upgrade", "Sec-WebSocket-Version: 13"];

/** Bytes after which node:http lets go of a connection, or has just learned that they are no request. */
const FIRST_BYTES: Readonly<Record<string, string>> = {
  CONNECT: head("CONNECT a:80 HTTP/1.1", "Host: a:80"),
  "CONNECT with bytes behind it": `${head("CONNECT a:80 HTTP/1.1", "Host: a:80")}tunnelled`,
  "CONNECT behind a request": GET + head("CONNECT a:80 HTTP/1.1", "Host: a:80"),
  "an upgrade to WebSocket": head(...UPGRADE, "Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
  "an upgrade to something else, with a body": `${head(...UPGRADE, "Upgrade: h2c", "Content-Length: 5")}hello`,
  "Expect: 100-continue": head(...POST, "Expect: 100-continue", "Content-Length: 100"),
  "an unknown expectation": head(...POST, "Expect: the-unexpected", "Content-Length: 2"),
  garbage: "\x16\x03\x01\x02\x00garbage\r\n\r\n",
  "garbage behind a request": `${GET}garbage\r\n\r\n`,
  "a pipeline of requests": GET.repeat(50),
  "a pipeline longer than is taken": GET.repeat(150),
  "half a head": "GET /health HTTP/1.1\r\nHost: x\r\nX-Half:",
  "a head that is too large": `GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(40_000)}\r\n\r\n`,
  "half a body": `${head(...POST, "Content-Length: 100")}{"half":`,
  "garbage where a chunk should be": `${head(...POST, "Transfer-Encoding: chunked")}5\r\nhello\r\nzz\r\n`,
  "a chunk extension without end": `${head(...POST, "Transfer-Encoding: chunked")}5;${"x".repeat(40_000)}`,
  "two requests that say different lengths": head(...POST, "Content-Length: 1", "Content-Length: 2"),
  nothing: "",
};

/** Connects, sends, and takes the connection away after so many milliseconds as a vanished peer would: with a reset. */
async function sendAndReset(port: number, bytes: string, afterMs: number): Promise<void> {
  const socket = connect(port, "127.0.0.1").on("error", () => undefined);
  await once(socket, "connect");
  socket.resume().write(bytes, "latin1");
  if (afterMs > 0) await delay(afterMs);
  socket.resetAndDestroy();
}

test("a connection that is reset 0 to 5 ms after its first bytes costs no thread", async () => {
  const { daemon, url, admin, lines } = await startInProcessDaemon({
    GATEWAY_WORKERS: "1",
    RATE_LIMIT_ENABLED: "false",
  });
  const delays = [0, 0, 1, 2, 3, 4, 5];
  for (const [name, bytes] of Object.entries(FIRST_BYTES)) {
    for (let round = 0; round < 5; round++) {
      const ports = [daemon.port, daemon.adminPort];
      await Promise.all(ports.flatMap((port) => delays.map((ms) => sendAndReset(port, bytes, ms))));
    }
    const answers = await Promise.all([`${url}/health`, `${admin}/livez`].map((page) => fetch(page))).catch(() => []);
    expect
      .soft(
        answers.map(({ status }) => status),
        name,
      )
      .toEqual([200, 200]);
    expect
      .soft(
        lines.filter(({ level }) => level === "error").map(({ message }) => message),
        name,
      )
      .toEqual([]);
  }
});
