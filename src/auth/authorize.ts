import { portOf } from "../domain/port.ts";
import { maySee, type Principal } from "../domain/principal.ts";
import { type Permission, roleAllows } from "../domain/role.ts";
import type { Sandbox } from "../domain/sandbox.ts";
import type { Snapshot } from "../domain/snapshot/snapshot.ts";
import { GatewayError } from "../errors.ts";

/** @throws GatewayError AUTH_003 when the principal's role does not include the permission. */
export function authorize(principal: Principal, permission: Permission): void {
  if (principal.scope !== null && permission !== "sandbox:proxy") {
    throw new GatewayError("AUTH_003", { details: `A ${principal.credential} does not include ${permission}` });
  }
  if (roleAllows(principal.role, permission)) return;
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

/** @throws GatewayError ROUTE_001, the same for a sandbox that does not exist and for one that is not this principal's. */
export function findSandbox(snapshot: Snapshot, principal: Principal, sandboxId: string): Sandbox {
  const sandbox = snapshot.sandboxes.get(sandboxId);
  if (sandbox !== undefined && maySee(principal, sandboxId)) return sandbox;
  throw new GatewayError("ROUTE_001");
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
