import { createServer } from "node:net";
import type { Config } from "../config/schema.ts";
import { ADMIN_LISTENER, cannotListen, DATA_LISTENER } from "./cannot-listen.ts";

/**
 * Fails when nobody can listen there, or something does already. Threads that share a port would also share it with
 * another daemon of the same user, without an error: connections would be split between the two. And what a thread
 * could not do is known here with its reason.
 * @throws GatewayError GW_010
 */
export function requireFreePort(host: string, port: number, listener = DATA_LISTENER): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (cause) => reject(cannotListen(cause, listener)));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()));
  });
}

/** Both ports of a daemon; see `requireFreePort`. */
export async function requireFreePorts(config: Pick<Config, ListenerKey>): Promise<void> {
  await requireFreePort(config.GATEWAY_HOST, config.GATEWAY_PORT);
  await requireFreePort(config.ADMIN_HOST, config.ADMIN_PORT, ADMIN_LISTENER);
}

type ListenerKey = "GATEWAY_HOST" | "GATEWAY_PORT" | "ADMIN_HOST" | "ADMIN_PORT";
