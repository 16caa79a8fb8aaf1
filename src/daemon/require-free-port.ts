import { createServer } from "node:net";
import { cannotListen, DATA_LISTENER } from "./cannot-listen.ts";

/**
 * Fails when nobody can listen there, or something does already. Threads that share a port would also share it with
 * another daemon of the same user, without an error: connections would be split between the two. And what a thread
 * could not do is known here with its reason.
 * @throws GatewayError GW_010
 */
export function requireFreePort(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (cause) => reject(cannotListen(cause, DATA_LISTENER)));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()));
  });
}
