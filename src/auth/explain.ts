import type { Principal } from "../domain/principal.ts";
import type { Grant } from "../domain/role/role.ts";
import type { Sandbox } from "../domain/sandbox.ts";
import type { Snapshot } from "../domain/snapshot/snapshot.ts";
import { type ErrorCode, GatewayError } from "../errors.ts";
import {
  authorize,
  authorizeExecution,
  authorizeHttp,
  authorizeOperation,
  authorizeProxy,
  findPort,
  findSandbox,
} from "./authorize.ts";
import { Standing } from "./standing.ts";

/** What somebody might ask of a sandbox. */
export interface Question {
  readonly sandboxId: string;
  /** null = raw HTTP. */
  readonly operation: string | null;
  readonly method: string;
  /** null = the instance's own. */
  readonly port: number | null;
}

/** What would become of it, as far as roles and tokens decide. */
export type Verdict =
  | { readonly allowed: true; readonly rule: string; readonly grant: Grant; readonly sandbox: Sandbox }
  | { readonly allowed: false; readonly code: ErrorCode; readonly why: string };

/** Asks what the data path would ask, in the same order, and runs nothing. `now`: milliseconds since the epoch. */
export function explain(snapshot: Snapshot, principal: Principal, question: Question, now: number): Verdict {
  try {
    return allowed(snapshot, principal, question, now);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { allowed: false, code: error.code, why: error.details === "" ? error.message : error.details };
  }
}

function allowed(snapshot: Snapshot, principal: Principal, question: Question, now: number): Verdict {
  const { sandboxId, operation, method, port } = question;
  const standing = new Standing(principal);
  if (principal.expiresAt <= now) throw new GatewayError("AUTH_001", { details: "Token has expired" });
  standing.check(snapshot);
  const permission = operation === null ? "sandbox:proxy" : "sandbox:execute";
  authorize(standing, permission);
  if (operation === null) authorizeProxy(principal);
  else authorizeOperation(principal, operation);
  const sandbox = findSandbox(snapshot, standing, permission, sandboxId);
  const rule =
    operation === null
      ? authorizeHttp(standing, sandbox, method, findPort(sandbox, port))
      : authorizeExecution(standing, sandbox, operation);
  return { allowed: true, rule, grant: standing.rights.grantOf(rule) as Grant, sandbox };
}
