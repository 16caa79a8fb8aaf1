import { createServer, type ServerOptions } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { onTestFinished } from "vitest";
import type { Issued } from "./certificates.ts";

/** An instance behind TLS that says how it was spoken to; gone when the test is over. Returns its port. */
export async function startSecureUpstream(
  { certificate, key }: Issued,
  options: ServerOptions = {},
  handler: (req: IncomingMessage, res: ServerResponse) => unknown = tellConnection,
): Promise<number> {
  const server = createServer({ cert: certificate, key, ...options }, (req, res) => void handler(req, res));
  server.on("tlsClientError", () => undefined);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function tellConnection(req: IncomingMessage, res: ServerResponse): void {
  const socket = req.socket as TLSSocket & { servername?: string };
  const { servername, alpnProtocol, authorized } = socket;
  const said = { host: req.headers.host, servername, alpnProtocol, authorized, resumed: socket.isSessionReused() };
  res.end(JSON.stringify(said));
}
