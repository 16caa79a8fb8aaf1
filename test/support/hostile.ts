import type { Socket } from "node:net";
import { startTestGateway, type TestGatewayOptions } from "./gateway.ts";
import { sendRaw } from "./raw-client.ts";
import { startRawUpstream } from "./upstream.ts";

export const GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";

/** A sandbox that answers by the path it is asked for; `/` is answered well. Counts the connections that are open. */
export async function hostileGateway(
  answer: (path: string, socket: Socket, head: string) => string | undefined,
  options: TestGatewayOptions = {},
) {
  const gateway = await startTestGateway(options);
  const open = new Set<Socket>();
  const url = await startRawUpstream((socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    socket.on("data", (chunk) => {
      const head = chunk.toString("latin1");
      const path = / (\S+) HTTP/.exec(head)?.[1] ?? "";
      const bytes = path === "/" ? GOOD : answer(path, socket, head);
      if (bytes !== undefined) socket.write(bytes, "latin1");
    });
  });
  await gateway.addSandbox("box", url);
  const authorization = await gateway.authorization();
  /** What a client gets that asks for `path` on a connection of its own. */
  const ask = (path: string, { method = "GET", version = "1.1" } = {}) => {
    const fields = `Host: x\r\nConnection: close\r\nAuthorization: ${authorization}`;
    return sendRaw(gateway.port, `${method} /s/box${path} HTTP/${version}\r\n${fields}\r\n\r\n`, { quietMs: 5_000 });
  };
  /** What an execute call gets. The instance is asked for `/execute`. */
  const execute = (timeoutMs = 5_000) => {
    const call = { sandbox_id: "box", operation: "run_code", payload: { language: "python", code: "1" } };
    const text = JSON.stringify({ ...call, timeout_ms: timeoutMs });
    const fields = `Host: x\r\nConnection: close\r\nAuthorization: ${authorization}\r\nContent-Type: application/json`;
    const head = `POST /api/v1/sandbox/execute HTTP/1.1\r\n${fields}\r\nContent-Length: ${text.length}\r\n\r\n`;
    return sendRaw(gateway.port, head + text, { quietMs: 10_000 });
  };
  return { gateway, open, ask, execute, authorization };
}

export function bodyOf(text: string): string {
  return text.slice(text.indexOf("\r\n\r\n") + 4);
}

export function codeOf(text: string): string | undefined {
  return /"error":\{"code":"(\w+)"/.exec(text)?.[1];
}

/** Sends `start`, then `piece` for as long as anybody takes it. Returns the bytes sent. */
export function flood(socket: Socket, start: string, piece: string): () => number {
  socket.write(start);
  const more = (): void => {
    while (socket.writable && socket.bytesWritten < 100_000_000 && socket.write(piece));
  };
  socket.on("drain", more);
  more();
  return () => socket.bytesWritten;
}
