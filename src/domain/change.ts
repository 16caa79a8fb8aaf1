import type { ApiKeyChange } from "./credential/api-key.ts";
import type { SessionChange } from "./credential/session.ts";
import type { SigningKeyChange } from "./credential/signing-key.ts";
import type { LinkKeyChange } from "./credential/link.ts";
import type { CircuitChange } from "./instance/circuit.ts";
import type { LimitChange } from "./limit.ts";
import type { RoleChange } from "./role/role.ts";
import type { RouteChange } from "./route/route.ts";
import type { SandboxChange } from "./sandbox.ts";
import type { RevocationChange, SubjectRevocationChange } from "./token.ts";

/**
 * One committed mutation, as the data path needs to know it. A change carries the new state whole, so applying it needs no
 * look-up. Each noun declares its own.
 */
export type Change =
  | SandboxChange
  | RevocationChange
  | SubjectRevocationChange
  | ApiKeyChange
  | SigningKeyChange
  | SessionChange
  | LinkKeyChange
  | RoleChange
  | CircuitChange
  | LimitChange
  | RouteChange;

/** A change with its place in the order of all changes. */
export interface Revised {
  readonly revision: number;
  readonly change: Change;
}
