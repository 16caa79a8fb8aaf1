import type { GatewayError } from "../../errors.ts";

const FINAL_CLOSE = 0x88;
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;

/** A WebSocket's close frame from the server's side (RFC 6455 section 5.5.1): the error's code is the reason. */
export function closeFrame({ code }: GatewayError): Buffer {
  const status = code === "GW_002" || code === "PROXY_011" || code === "PROXY_016" ? GOING_AWAY : POLICY_VIOLATION;
  const reason = Buffer.from(code);
  return Buffer.from([FINAL_CLOSE, 2 + reason.length, status >> 8, status & 0xff, ...reason]);
}
