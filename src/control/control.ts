import { AuditChain } from "../audit/chain.ts";
import { adminRecord } from "../audit/record.ts";
import type { KeyRing } from "../auth/keys.ts";
import { issueToken, tokenHash } from "../auth/tokens.ts";
import type { Config } from "../config/schema.ts";
import type { Change } from "../domain/change.ts";
import { newId } from "../domain/id.ts";
import { isRole, ROLES } from "../domain/role.ts";
import { type Instance, isSandboxId, parseInstanceUrl, type Sandbox } from "../domain/sandbox.ts";
import type { TokenRecord } from "../domain/token.ts";
import { GatewayError } from "../errors.ts";
import type { Store } from "../store/store.ts";

/** The plug-ins a sandbox may name. */
export interface Catalogue {
  readonly runtimes: readonly string[];
  readonly strategies: readonly string[];
  /** `managed`: the driver starts the instances itself, so none are given. */
  readonly drivers: Readonly<Record<string, { readonly managed: boolean }>>;
}

export interface ControlOptions extends Catalogue {
  readonly store: Store;
  readonly keys: KeyRing;
  readonly config: Pick<Config, "TOKEN_ISSUER" | "TOKEN_AUDIENCE">;
  /** Who acts, for the audit record: `cli:<user>`, or a subject. */
  readonly actor: string;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

export interface NewToken {
  readonly subject: string;
  readonly role: string;
  readonly expiresInMs: number;
  /** Patterns (`py-*`); null = all. */
  readonly sandboxes: readonly string[] | null;
  readonly operations: readonly string[] | null;
}

export interface NewSandbox {
  readonly id: string;
  readonly runtime: string;
  readonly driver: string;
  /** null = LOAD_BALANCER_STRATEGY. */
  readonly strategy: string | null;
  /** Instance addresses; none for a driver that starts its instances itself. */
  readonly urls: readonly string[];
}

/**
 * Every change of state is one verb here and one transaction: the rows, the change that tells the data path, and the
 * audit record are written together or not at all. Values are checked here, whoever calls.
 * Each verb throws VAL_010 for a value it cannot take, besides what is named with it.
 */
export class Control {
  readonly #options: ControlOptions;
  readonly #store: Store;
  readonly #chain: AuditChain;
  readonly #now: () => number;

  constructor(options: ControlOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#chain = new AuditChain({ table: options.store.audit, key: options.keys.auditKey });
    this.#now = options.now ?? Date.now;
  }

  /** The token is in the result and nowhere else: only a keyed hash of it is stored. */
  async createToken({ subject, role, expiresInMs, sandboxes, operations }: NewToken): Promise<CreatedToken> {
    check(isRole(role), `role ${quoted(role)}: expected ${ROLES.join(", ")}`);
    check(SUBJECT.test(subject), `subject ${quoted(subject)}: expected 1 to 128 printable characters`);
    check(Number.isSafeInteger(expiresInMs) && expiresInMs >= 1000, "lifetime: expected at least 1 s");
    for (const pattern of sandboxes ?? []) check(PATTERN.test(pattern), `sandbox pattern ${quoted(pattern)}`);
    for (const operation of operations ?? []) check(OPERATION.test(operation), `operation ${quoted(operation)}`);
    const { keys, config } = this.#options;
    const now = this.#now();
    // Tokens count in whole seconds; rounding up never gives less than was asked for.
    const expiresAt = Math.ceil((now + expiresInMs) / 1000) * 1000;
    check(expiresAt <= LAST_TIME, "lifetime is too long");
    const principal = { subject, role, tokenId: newId("tok"), sandboxes, operations };
    const issued = { issuer: config.TOKEN_ISSUER, audience: config.TOKEN_AUDIENCE, expiresAt, now };
    const token = await issueToken({ principal, key: keys.signing, ...issued });
    const record: TokenRecord = {
      id: principal.tokenId,
      subject,
      role,
      sandboxes,
      operations,
      createdAt: now,
      expiresAt,
      revokedAt: null,
      hash: tokenHash(keys.tokenHashKey, token),
    };
    this.#store.transaction(() => {
      this.#store.tokens.create(record);
      const details = { subject, role, sandboxes, operations, expires_at_ms: expiresAt };
      this.#record("token.create", record.id, details);
    });
    return { token, record };
  }

  /** Revoking twice is no error. @throws GatewayError ROUTE_005 when there is no such token. */
  revokeToken(id: string): TokenRecord {
    return this.#store.transaction(() => {
      const token = this.#store.tokens.find(id);
      if (token === undefined) throw new GatewayError("ROUTE_005", { details: id });
      const at = this.#now();
      if (!this.#store.tokens.revoke(id, at)) return token;
      this.#announce({ kind: "token.revoked", tokenId: id, expiresAt: token.expiresAt });
      this.#record("token.revoke", id, { subject: token.subject });
      return { ...token, revokedAt: at };
    });
  }

  /** @throws GatewayError ROUTE_004 when there is a sandbox of that id. */
  addSandbox({ id, runtime, driver, strategy, urls }: NewSandbox): Sandbox {
    const { runtimes, drivers, strategies } = this.#options;
    check(
      isSandboxId(id),
      `sandbox id ${quoted(id)}: expected 1 to 63 of A-Z a-z 0-9 . _ -, starting with a letter or digit`,
    );
    check(runtimes.includes(runtime), `runtime ${quoted(runtime)}: expected ${runtimes.join(", ")}`);
    check(Object.hasOwn(drivers, driver), `driver ${quoted(driver)}: expected ${Object.keys(drivers).join(", ")}`);
    check(
      strategy === null || strategies.includes(strategy),
      `strategy ${quoted(strategy)}: expected ${strategies.join(", ")}`,
    );
    const managed = drivers[driver]?.managed === true;
    check(!managed || urls.length === 0, `driver ${driver} starts its instances itself and takes no URL`);
    check(managed || urls.length > 0, `driver ${driver} needs at least one URL`);
    const addresses = urls.map(parseInstanceUrl);
    check(new Set(addresses).size === addresses.length, "the same URL is given twice");
    return this.#store.transaction(() => {
      if (this.#store.sandboxes.find(id) !== undefined)
        throw new GatewayError("ROUTE_004", { details: `sandbox ${id}` });
      const createdAt = this.#now();
      this.#store.sandboxes.create({ id, runtime, driver, strategy, createdAt });
      if (managed) this.#createInstance(id, ownAddress);
      for (const address of addresses) this.#createInstance(id, () => address);
      const sandbox = this.#announceSandbox(id);
      const instances = sandbox.instances.map((instance) => instance.url);
      this.#record("sandbox.add", id, { runtime, driver, strategy, instances });
      return sandbox;
    });
  }

  /** Returns what was removed. @throws GatewayError ROUTE_001 */
  removeSandbox(id: string): Sandbox {
    return this.#store.transaction(() => {
      const sandbox = this.#knownSandbox(id);
      this.#store.sandboxes.remove(id);
      this.#announce({ kind: "sandbox.removed", sandboxId: id });
      this.#record("sandbox.remove", id, { instances: sandbox.instances.map((instance) => instance.id) });
      return sandbox;
    });
  }

  /** @throws GatewayError ROUTE_001, or ROUTE_004 when the sandbox has that address already. */
  addInstance(sandboxId: string, url: string): Instance {
    const address = parseInstanceUrl(url);
    return this.#store.transaction(() => {
      const sandbox = this.#knownSandbox(sandboxId);
      const managed = this.#options.drivers[sandbox.driver]?.managed === true;
      check(!managed, `driver ${sandbox.driver} starts its instances itself and takes no URL`);
      if (sandbox.instances.some((instance) => instance.url === address)) {
        throw new GatewayError("ROUTE_004", { details: `instance ${address} of sandbox ${sandboxId}` });
      }
      const instance = this.#createInstance(sandboxId, () => address);
      this.#announceSandbox(sandboxId);
      this.#record("instance.add", instance.id, { sandbox: sandboxId, url: address });
      return instance;
    });
  }

  /** Returns what was removed. @throws GatewayError ROUTE_006 */
  removeInstance(id: string): Instance {
    return this.#store.transaction(() => {
      const instance = this.#store.sandboxes.findInstance(id);
      if (instance === undefined) throw new GatewayError("ROUTE_006", { details: id });
      const { sandboxId, url } = instance;
      check(
        this.#knownSandbox(sandboxId).instances.length > 1,
        `${id} is the last instance of sandbox ${sandboxId}: remove the sandbox, or add another instance first`,
      );
      this.#store.sandboxes.removeInstance(id);
      this.#announceSandbox(sandboxId);
      this.#record("instance.remove", id, { sandbox: sandboxId, url });
      return instance;
    });
  }

  #knownSandbox(id: string): Sandbox {
    const sandbox = this.#store.sandboxes.find(id);
    if (sandbox === undefined) throw new GatewayError("ROUTE_001", { details: id });
    return sandbox;
  }

  #createInstance(sandboxId: string, address: (instanceId: string) => string): Instance {
    const id = newId("ins");
    return this.#store.sandboxes.createInstance({ id, sandboxId, url: address(id) });
  }

  /** The data path gets the sandbox whole, as it stands now. */
  #announceSandbox(id: string): Sandbox {
    const sandbox = this.#knownSandbox(id);
    this.#announce({ kind: "sandbox.put", sandbox });
    return sandbox;
  }

  #announce(change: Change): void {
    this.#store.changes.append(change, this.#now());
  }

  #record(action: string, target: string, details: Readonly<Record<string, unknown>>): void {
    this.#chain.append(adminRecord({ at: this.#now(), actor: this.#options.actor, action, target, details }), 1);
  }
}

export interface CreatedToken {
  readonly token: string;
  readonly record: TokenRecord;
}

const SUBJECT = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,128}$/u;
const PATTERN = /^[A-Za-z0-9*][A-Za-z0-9._*-]{0,127}$/;
const OPERATION = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;
/** The last second of the year 9999: RFC 3339 has four digits for the year. */
const LAST_TIME = 253_402_300_799_000;

/** Where the daemon will have an instance of its own listen. */
function ownAddress(instanceId: string): string {
  return `unix:${instanceId}.sock`;
}

function check(isRight: boolean, otherwise: string): asserts isRight {
  if (!isRight) throw new GatewayError("VAL_010", { details: otherwise });
}

function quoted(value: string | null): string {
  return JSON.stringify(value);
}
