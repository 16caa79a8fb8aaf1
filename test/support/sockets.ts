import { once } from "node:events";
import { type AddressInfo, createServer, type ListenOptions } from "node:net";
import { duplicate } from "../../src/daemon/sockets/duplicate.ts";

/** A socket that listens on a free port, and from which nobody accepts: for somebody to take over. */
export async function listeningSocket(options: ListenOptions = {}): Promise<{ fd: number; port: number }> {
  const server = createServer().listen({ port: 0, host: "127.0.0.1", ...options });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const [fd = -1] = await duplicate([(server as unknown as { _handle: { fd: number } })._handle.fd]);
  server.close();
  return { fd, port };
}
