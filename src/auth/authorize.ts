import { portOf } from "../domain/port.ts";
import { maySee, type Principal } from "../domain/principal.ts";
import type { Permission } from "../domain/role/role.ts";
import type { Sandbox } from "../domain/sandbox.ts";
import type { Snapshot } from "../domain/snapshot/snapshot.ts";
import { GatewayError } from "../errors.ts";
import type { Standing } from "./standing.ts";

/** @throws GatewayError AUTH_003 when the principal's role does not include the permission, for whatever it is. */
export function authorize({ principal, rights }: Standing, permission: Permission): void {
  if (principal.scope !== null && permission !== "sandbox:proxy") {
    throw new GatewayError("AUTH_003", { details: `A ${principal.credential} does not include ${permission}` });
  }
  if (rights.has(permission)) return;
  throw new GatewayError("AUTH_003", { details: `Role ${principal.role} does not include ${permission}` });
}

/** @throws GatewayError AUTH_004 when the token is narrowed to other operations. */
export function authorizeOperation(principal: Principal, operation: string): void {
  if (principal.operations === null || principal.operations.includes(operation)) return;
  throw new GatewayError("AUTH_004", { details: `This token allows: ${principal.operations.join(", ")}` });
}

/**
 * Raw HTTP can do anything, so a token that is narrowed to operations cannot have it.
 * @throws GatewayError AUTH_004
 */
export function authorizeProxy(principal: Principal): void {
  if (principal.operations === null) return;
  throw new GatewayError("AUTH_004", {
    details: "This token allows operations only, not the transparent proxy",
    remediation: "Use a token that is not narrowed to operations",
  });
}

/**
 * The sandbox, where the principal may do something with it that needs the permission.
 * @throws GatewayError ROUTE_001, the same for a sandbox that does not exist and for one that is not this principal's;
 *   AUTH_003 for one that is its for other things.
 */
export function findSandbox(
  snapshot: Snapshot,
  { principal, rights }: Standing,
  permission: Permission,
  sandboxId: string,
): Sandbox {
  const sandbox = snapshot.sandboxes.get(sandboxId);
  if (sandbox !== undefined && maySee(principal, sandboxId)) {
    if (rights.over(permission, sandbox) !== undefined) return sandbox;
    if (rights.sees(sandbox)) {
      throw new GatewayError("AUTH_003", { details: `Role ${principal.role} does not include ${permission} here` });
    }
  }
  throw new GatewayError("ROUTE_001");
}

/**
 * Whether an operation may be executed in a sandbox that `findSandbox` has found. Returns the rule by which it may.
 * @throws GatewayError AUTH_004
 */
export function authorizeExecution({ principal, rights }: Standing, sandbox: Sandbox, operation: string): string {
  const right = rights.executing(sandbox, operation);
  if (right !== undefined) return right.rule;
  const allowed = rights.operationsOver(sandbox)?.join(", ") ?? "";
  throw new GatewayError("AUTH_004", {
    details: `Role ${principal.role} allows here: ${allowed}`,
    remediation: "Use a token whose role includes this operation",
  });
}

/**
 * Whether raw HTTP may go to a sandbox that `findSandbox` has found. `port`: as `findPort` gives it. Returns the rule.
 * @throws GatewayError AUTH_003 for the method; ROUTE_009 for the port, as if the sandbox had none such.
 */
export function authorizeHttp(
  { principal, rights }: Standing,
  sandbox: Sandbox,
  method: string,
  port: number | null,
): string {
  const right = rights.proxying(sandbox, method, port);
  if (right !== undefined) return right.rule;
  if (rights.proxying(sandbox, method, undefined) !== undefined) throw new GatewayError("ROUTE_009");
  throw new GatewayError("AUTH_003", {
    details: `Role ${principal.role} does not include sandbox:proxy with ${method} here`,
  });
}

/**
 * Where on an instance's host a call goes that names a port; null = to the instance's own.
 * @throws GatewayError ROUTE_009, the same for every port that the sandbox may not be reached at.
 */
export function findPort(sandbox: Sandbox, port: number | null): number | null {
  const found = port === null ? null : portOf(sandbox, port);
  if (found === undefined) throw new GatewayError("ROUTE_009");
  return found;
}
