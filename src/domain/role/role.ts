import type { Labels } from "../labels.ts";
import type { PortRange } from "../value/ports.ts";

/** What a principal may do: a word for each thing the gateway guards. */
export const PERMISSIONS = [
  "sandbox:execute",
  "sandbox:proxy",
  "sandbox:read",
  "sandbox:manage",
  "token:manage",
  "session:manage",
  "audit:read",
  "circuit:manage",
  "config:read",
  "role:manage",
  "limit:manage",
  "key:manage",
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Permissions, narrowed. Each null = all. */
export interface Grant {
  readonly permissions: readonly Permission[];
  /** Patterns (`py-*`). */
  readonly sandboxes: readonly string[] | null;
  /** A sandbox has to have all of them. */
  readonly labels: Labels | null;
  /** What may be executed. */
  readonly operations: readonly string[] | null;
  /** Which ports HTTP may reach: the instance's own counts as any other. */
  readonly ports: readonly PortRange[] | null;
  /** By which methods, in upper case. */
  readonly methods: readonly string[] | null;
}

/** What its principals may do: what one of its grants gives, and nothing else. */
export interface Role {
  readonly name: string;
  readonly grants: readonly Grant[];
}

/** What can be announced of roles: one whole, or that one is gone. */
export type RoleChange =
  | { readonly kind: "role.put"; readonly role: Role }
  | { readonly kind: "role.removed"; readonly name: string };

// As the labels of a DNS name, dots included: it stands in tokens, records and configurations without quotes.
const NAME = /^[a-z0-9][a-z0-9.-]{0,62}$/;

export function isRoleName(value: unknown): value is string {
  return typeof value === "string" && NAME.test(value);
}

/** All of the permissions, everywhere. */
export function wideGrant(...permissions: readonly Permission[]): Grant {
  return { permissions, sandboxes: null, labels: null, operations: null, ports: null, methods: null };
}

const OF_SANDBOXES = ["sandbox:execute", "sandbox:proxy", "sandbox:read"] as const;

/** Always there, and always the same. */
export const BUILT_IN_ROLES: readonly Role[] = [
  { name: "admin", grants: [wideGrant(...PERMISSIONS)] },
  {
    name: "operator",
    grants: [
      wideGrant(...OF_SANDBOXES, "sandbox:manage", "audit:read", "circuit:manage", "config:read", "limit:manage"),
    ],
  },
  { name: "executor", grants: [wideGrant(...OF_SANDBOXES)] },
  { name: "viewer", grants: [wideGrant("sandbox:read")] },
];

export const BUILT_IN_NAMES: readonly string[] = BUILT_IN_ROLES.map(({ name }) => name);
