import type { Variables } from "../../../domain/transform/template.ts";
import type { Exchange } from "../../request/exchange.ts";

/** What a transformation may say of a call that is about to be sent. Of credentials there is nothing. */
export function requestVariables(exchange: Exchange): Variables {
  const { principal, sandboxId, requestId, address, method, scheme } = exchange;
  return {
    principal: principal?.subject ?? "",
    role: principal?.role ?? "",
    sandbox: sandboxId,
    request_id: requestId,
    client_address: address,
    method,
    scheme,
  };
}

/** The same of one that has been answered. */
export function responseVariables(exchange: Exchange, status: number): Variables {
  return { ...requestVariables(exchange), instance: exchange.instanceId, status: String(status) };
}
