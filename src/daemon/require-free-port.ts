import { createServer } from "node:net";
import { GatewayError } from "../errors.ts";

/**
 * Fails when something listens there already. Threads that share a port would also share it with another daemon of the
 * same user, without an error: connections would be split between the two.
 * @throws GatewayError GW_010
 */
export function requireFreePort(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (cause) => reject(new GatewayError("GW_010", { details: cause.message, cause })));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()));
  });
}
