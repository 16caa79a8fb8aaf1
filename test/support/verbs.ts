import { expect } from "vitest";
import { entriesOf } from "../../src/audit/entries.ts";
import { type KeyRing, openKeys } from "../../src/auth/keys/key-ring.ts";
import type { Actor } from "../../src/control/control.ts";
import { createVerbs, type Verbs } from "../../src/control/verbs.ts";
import type { NewSandbox } from "../../src/control/verbs/sandboxes.ts";
import type { NewToken } from "../../src/control/verbs/tokens.ts";
import { openDataFolder } from "../../src/store/data-folder.ts";
import type { SqliteStore } from "../../src/store/sqlite/sqlite-store.ts";
import { openTestStore } from "./stores.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** The clock of `openTestVerbs`. */
export const NOW = 1_800_000_000_123;

export const ADA: Actor = { name: "cli:ada", holding: null };

export const TOKEN: NewToken = {
  subject: "agent-1",
  role: "executor",
  expiresInMs: 60_000,
  sandboxes: null,
  operations: null,
};

export const SANDBOX: NewSandbox = {
  id: "py",
  runtime: "generic",
  driver: "static",
  strategy: null,
  urls: ["http://h:1"],
};

/** The verbs on a store of their own; `daemon` is whether one runs. */
export async function openTestVerbs({ daemon = false } = {}): Promise<{
  store: SqliteStore;
  keys: KeyRing;
  verbs: Verbs;
}> {
  const folder = openDataFolder(temporaryFolder());
  const store = openTestStore(folder.database);
  const keys = await openKeys({ folder, store, config: { TOKEN_SECRET: "", SECRETS_KEY_FILE: "" } });
  const verbs = createVerbs({
    store,
    audit: store.audit,
    auditHead: { file: folder.auditHead, log: folder.databaseLog },
    keys: async () => keys,
    config: {
      TOKEN_ISSUER: "iss",
      TOKEN_AUDIENCE: "aud",
      TOKEN_CLOCK_SKEW: 30_000,
      AUTH_TOKEN_EXPIRY: 3_600_000,
      API_KEY_EXPIRY: 7_776_000_000,
      SESSION_IDLE_TIMEOUT: 1_800_000,
      SESSION_MAX_AGE: 43_200_000,
      SESSION_MAX_PER_SUBJECT: 3,
      AUDIT_SINK_FILE: "",
      GATEWAY_DOMAIN: "gw.example",
      TARGET_ALLOW: [],
      TARGET_DENY: ["192.0.2.66/32"],
      HEALTH_PROGRAMS: { "check-db": "/usr/local/bin/check-db" },
    },
    catalogue: async () => ({
      runtimes: ["generic"],
      strategies: ["round-robin"],
      drivers: { static: { managed: false }, wasm: { managed: true } },
    }),
    daemon: () => (daemon ? { pid: 42, startedAt: NOW } : undefined),
    now: () => NOW,
  });
  return { store, keys, verbs };
}

export const refusal = (code: string): unknown => expect.objectContaining({ code });

/** Every audit record so far, oldest first. */
export function recordsIn(store: SqliteStore): unknown[] {
  return entriesOf(store.audit.last(100)).map(({ record }): unknown => JSON.parse(record));
}

/** `work` writes nothing: neither rows nor changes nor records. */
export async function expectUntouched(store: SqliteStore, work: () => Promise<unknown>): Promise<void> {
  const state = async () => [await store.snapshot(0), await store.tokens.list(), store.audit.head()];
  const before = await state();
  await work();
  expect(await state()).toEqual(before);
}
