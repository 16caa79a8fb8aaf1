import type { Key } from "./key.ts";
import { access } from "./keys/access.ts";
import { admin } from "./keys/front/admin.ts";
import { audit } from "./keys/audit.ts";
import { auth } from "./keys/auth.ts";
import { balancer } from "./keys/upstream/balancer.ts";
import { circuit } from "./keys/upstream/circuit.ts";
import { execute } from "./keys/execute.ts";
import { gateway } from "./keys/front/gateway.ts";
import { health } from "./keys/upstream/health.ts";
import { limits } from "./keys/limits.ts";
import { log } from "./keys/log.ts";
import { oidc } from "./keys/oidc.ts";
import { proxy } from "./keys/upstream/proxy.ts";
import { sandbox } from "./keys/sandbox.ts";
import { session } from "./keys/session.ts";
import { tls } from "./keys/front/tls.ts";
import { storage } from "./keys/storage.ts";

/** The sections of the file, in its order. */
export const SECTIONS = [
  gateway,
  tls,
  admin,
  proxy,
  balancer,
  circuit,
  health,
  execute,
  auth,
  oidc,
  session,
  limits,
  access,
  sandbox,
  storage,
  audit,
  log,
] as const;

/** Every configuration key, once. */
export const SCHEMA = {
  ...gateway.keys,
  ...tls.keys,
  ...admin.keys,
  ...proxy.keys,
  ...balancer.keys,
  ...circuit.keys,
  ...health.keys,
  ...execute.keys,
  ...auth.keys,
  ...oidc.keys,
  ...session.keys,
  ...limits.keys,
  ...access.keys,
  ...sandbox.keys,
  ...storage.keys,
  ...audit.keys,
  ...log.keys,
} as const satisfies Record<string, Key<unknown>>;

export type KeyName = keyof typeof SCHEMA;

/** The parsed configuration: durations in milliseconds, sizes in bytes, lists as arrays; "" = not set. */
export type Config = { readonly [K in KeyName]: (typeof SCHEMA)[K] extends Key<infer T> ? T : never };

/** Every key in the order of the file. */
export const KEY_NAMES: readonly KeyName[] = Object.keys(SCHEMA).filter(isKeyName);

export function isKeyName(name: string): name is KeyName {
  return Object.hasOwn(SCHEMA, name);
}

export function isSecret(name: KeyName): boolean {
  return "secret" in SCHEMA[name].value;
}

/** The name under which the file holding a secret is given: TOKEN_SECRET_FILE for TOKEN_SECRET. */
export function fileKeyOf(name: KeyName): string {
  return `${name}_FILE`;
}

export const FILE_KEYS: readonly string[] = KEY_NAMES.filter(isSecret).map(fileKeyOf);
