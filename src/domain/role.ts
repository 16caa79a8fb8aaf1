/** What a principal may do. One word per verb the gateway guards. */
export type Permission =
  | "sandbox:execute"
  | "sandbox:proxy"
  | "sandbox:read"
  | "sandbox:write"
  | "token:write"
  | "audit:read";

export const ROLES = ["admin", "operator", "executor", "viewer"] as const;
export type Role = (typeof ROLES)[number];

const PERMISSIONS: Record<Role, ReadonlySet<Permission>> = {
  admin: new Set([
    "sandbox:execute",
    "sandbox:proxy",
    "sandbox:read",
    "sandbox:write",
    "token:write",
    "audit:read",
  ] as const),
  operator: new Set(["sandbox:execute", "sandbox:proxy", "sandbox:read", "sandbox:write", "audit:read"] as const),
  executor: new Set(["sandbox:execute", "sandbox:proxy", "sandbox:read"] as const),
  viewer: new Set(["sandbox:read"] as const),
};

export function isRole(value: unknown): value is Role {
  return typeof value === "string" && (ROLES as readonly string[]).includes(value);
}

export function roleAllows(role: Role, permission: Permission): boolean {
  return PERMISSIONS[role].has(permission);
}
