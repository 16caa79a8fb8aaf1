import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { Worker } from "node:worker_threads";
import { onTestFinished } from "vitest";

/** A real HTTP server as an instance; gone when the test is over. Returns its URL. */
export async function startUpstream(handler: (req: IncomingMessage, res: ServerResponse) => unknown): Promise<string> {
  const server = createServer((req, res) => void handler(req, res));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${await listen(server)}`;
}

/** An instance that speaks bytes: for what no well-behaved server would send. Returns its URL. */
export async function startRawUpstream(onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket));
    onConnection(socket);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${await listen(server)}`;
}

/** An instance that answers each complete request head with the given bytes. */
export function startScriptedUpstream(
  answer: (requestHead: string, socket: Socket) => string | undefined,
): Promise<string> {
  return startRawUpstream((socket) => {
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      for (let end = received.indexOf("\r\n\r\n"); end >= 0; end = received.indexOf("\r\n\r\n")) {
        const head = received.slice(0, end + 4);
        received = received.slice(end + 4);
        const bytes = answer(head, socket);
        if (bytes !== undefined) socket.write(bytes, "latin1");
      }
    });
  });
}

/**
 * An instance that neither accepts nor refuses: a listener whose thread stands still and whose backlog is full, so that
 * the kernel drops further connects as if the host had vanished.
 */
export async function startDeafUpstream(): Promise<string> {
  const script = `
    const { parentPort } = require("node:worker_threads");
    const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
      parentPort.postMessage(server.address().port);
      setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
    });`;
  const worker = new Worker(script, { eval: true });
  const [port] = (await once(worker, "message")) as [number];
  const fillers = Array.from({ length: 4 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
  onTestFinished(async () => {
    for (const filler of fillers) filler.destroy();
    await worker.terminate();
  });
  await once(fillers[0] as Socket, "connect");
  return `http://127.0.0.1:${port}`;
}

/** An address on which nothing listens: connecting is refused. */
export async function closedPort(): Promise<string> {
  const server = createTcpServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

export async function readAll(message: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of message) text += String(chunk);
  return text;
}

/** Answers with what was received, as JSON. */
export async function echo(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const body = await readAll(req);
  const seen = { method: req.method, url: req.url, headers: req.headers, rawHeaders: req.rawHeaders, body };
  res.setHeader("content-type", "application/json");
  res.end(JSON.stringify(seen));
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
