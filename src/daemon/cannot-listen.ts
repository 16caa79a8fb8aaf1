import { GatewayError, hasCode } from "../errors.ts";

/** What chooses a listener's address, as a person may set it: `--port or GATEWAY_PORT`. */
export interface ListenerWords {
  readonly host: string;
  readonly port: string;
}

export const DATA_LISTENER: ListenerWords = { host: "--host or GATEWAY_HOST", port: "--port or GATEWAY_PORT" };
export const ADMIN_LISTENER: ListenerWords = { host: "ADMIN_HOST", port: "--admin-port or ADMIN_PORT" };

/** GW_010 with what to do about this reason: each has another. */
export function cannotListen(cause: Error, { host, port }: ListenerWords): GatewayError {
  const remedies = {
    EADDRINUSE: `Stop what listens there already, or choose another port with ${port}`,
    EACCES: `Choose a port from 1024 on with ${port}: those below need a privilege (CAP_NET_BIND_SERVICE)`,
    EADDRNOTAVAIL: `Choose an address that this machine has with ${host}`,
    EAFNOSUPPORT: `Choose an address of a kind that this machine has with ${host}`,
    ENOTFOUND: `Give an address, or a name that has one, with ${host}`,
    EAI_AGAIN: `Give an address instead of a name with ${host}: no name server answers`,
  };
  const known = Object.entries(remedies).find(([code]) => hasCode(cause, code));
  return new GatewayError("GW_010", { details: cause.message, cause, ...(known && { remediation: known[1] }) });
}
