import { explain, type Question, type Verdict } from "../../auth/explain.ts";
import { type Principal, withoutCredential } from "../../domain/principal.ts";
import { snapshotFrom } from "../../domain/snapshot/snapshot.ts";
import { lacking } from "../../domain/role/holds.ts";
import { readRole } from "../../domain/role/read-role.ts";
import { builtInRights } from "../../domain/role/roles.ts";
import { Rights } from "../../domain/role/rights.ts";
import { BUILT_IN_NAMES, BUILT_IN_ROLES, type Role } from "../../domain/role/role.ts";
import { nearest } from "../../domain/value/nearest.ts";
import { GatewayError } from "../../errors.ts";
import type { RoleReads, StateStore } from "../../store/store.ts";
import { type Actor, type Control, check, quoted, requirePermission, type Step } from "../control.ts";

/** What a verb did to a role. */
export interface RoleWritten {
  readonly role: Role;
  readonly revision: number;
}

/** Whom it is about: a token that is kept, or whoever has a role. */
export interface Somebody {
  readonly tokenId: string | null;
  readonly role: string | null;
}

export interface Explained {
  readonly principal: Principal;
  readonly verdict: Verdict;
  /** The sandbox does, whoever may know. */
  readonly exists: boolean;
}

export class RoleVerbs {
  readonly #control: Control;
  readonly #store: Pick<StateStore, "roles" | "tokens" | "snapshot">;
  readonly #now: () => number;

  constructor(options: {
    control: Control;
    store: Pick<StateStore, "roles" | "tokens" | "snapshot">;
    now: () => number;
  }) {
    this.#now = options.now;
    this.#control = options.control;
    this.#store = options.store;
  }

  /** @throws GatewayError ROUTE_016 */
  async find(_actor: Actor, name: string): Promise<Role> {
    return (await rightsOf(this.#store.roles, name))?.role ?? (await unknown(this.#store.roles, name));
  }

  /** The built-in ones first, the others by name. */
  async list(_actor: Actor): Promise<Role[]> {
    return [...BUILT_IN_ROLES, ...(await this.#store.roles.list())];
  }

  /** Whether somebody may ask something of a sandbox, by which grant, and why not. @throws GatewayError AUTH_003, ROUTE_005 */
  async explain(actor: Actor, somebody: Somebody, question: Question): Promise<Explained> {
    requirePermission(actor, "token:manage");
    const now = this.#now();
    const principal = await this.#principalOf(somebody);
    const snapshot = snapshotFrom(await this.#store.snapshot(now));
    const exists = snapshot.sandboxes.get(question.sandboxId) !== undefined;
    return { principal, exists, verdict: explain(snapshot, principal, question, now) };
  }

  async #principalOf({ tokenId, role }: Somebody): Promise<Principal> {
    // As one who has a credential: its role may be one that somebody has made, or none.
    const nobody: Principal = { ...withoutCredential("", role ?? ""), credential: "token" };
    if (tokenId === null) return nobody;
    const token = await this.#store.tokens.find(tokenId);
    if (token === undefined) throw new GatewayError("ROUTE_005", { details: tokenId });
    const { subject, sandboxes, operations, createdAt, expiresAt } = token;
    return { ...nobody, subject, role: token.role, tokenId, sandboxes, operations, issuedAt: createdAt, expiresAt };
  }

  /** `wanted`: as JSON has a role. @throws GatewayError VAL_010, AUTH_003, AUTH_010, ROUTE_004 when there is one of its name. */
  create(actor: Actor, wanted: unknown): Promise<RoleWritten> {
    const role = readRole(wanted);
    return this.#control.write(actor, async (step) => {
      if ((await rightsOf(step.roles, role.name)) !== undefined) {
        throw new GatewayError("ROUTE_004", { details: `role ${role.name}` });
      }
      return await put(step, actor, "role.create", role);
    });
  }

  /**
   * Gives a role these grants in the place of those that it has; of what its tokens have open, what they do not give ends.
   * @throws GatewayError VAL_010, AUTH_003, AUTH_010, ROUTE_016
   */
  update(actor: Actor, wanted: unknown): Promise<RoleWritten> {
    const role = readRole(wanted);
    refuseBuiltIn(role.name);
    return this.#control.write(actor, async (step) => {
      if ((await step.roles.find(role.name)) === undefined) await unknown(step.roles, role.name);
      return await put(step, actor, "role.update", role);
    });
  }

  /**
   * `force`: also when there are tokens of the role, which are good for nothing from then on.
   * @throws GatewayError VAL_010, AUTH_003, ROUTE_016, ROUTE_018 when there are such tokens.
   */
  remove(actor: Actor, name: string, { force }: { force: boolean }): Promise<RoleWritten & { tokens: number }> {
    refuseBuiltIn(name);
    requirePermission(actor, "role:manage");
    return this.#control.write(actor, async (step) => {
      const role = (await step.roles.find(name)) ?? (await unknown(step.roles, name));
      const tokens = (await step.tokens.list()).filter(
        (token) => token.role === name && token.revokedAt === null && token.expiresAt > step.now,
      ).length;
      if (tokens > 0 && !force) {
        throw new GatewayError("ROUTE_018", { details: `${tokens} token${tokens === 1 ? "" : "s"} of role ${name}` });
      }
      await step.roles.remove(name);
      step.record("role.remove", name, { tokens });
      return { role, tokens, revision: await step.announce({ kind: "role.removed", name }) };
    });
  }
}

/** What a role gives, built-in or not; undefined when there is none of that name. */
export async function rightsOf(roles: RoleReads, name: string): Promise<Rights | undefined> {
  const own = builtInRights(name);
  if (own !== undefined) return own;
  const role = await roles.find(name);
  return role && new Rights(role);
}

/** Names of the roles that there are, for messages. */
export async function roleNames(roles: RoleReads): Promise<string[]> {
  return [...BUILT_IN_NAMES, ...(await roles.list()).map(({ name }) => name)];
}

async function put(step: Step, actor: Actor, action: string, role: Role): Promise<RoleWritten> {
  requirePermission(actor, "role:manage");
  const more = actor.holding && lacking(actor.holding, { rights: new Rights(role), sandboxes: null, operations: null });
  if (more) throw new GatewayError("AUTH_010", { details: more });
  await step.roles.put(role);
  step.record(action, role.name, { grants: role.grants });
  return { role, revision: await step.announce({ kind: "role.put", role }) };
}

function refuseBuiltIn(name: string): void {
  check(builtInRights(name) === undefined, `role ${quoted(name)} is built in: make one of another name`);
}

async function unknown(roles: RoleReads, name: string): Promise<never> {
  const near = nearest(name, await roleNames(roles));
  throw new GatewayError("ROUTE_016", { details: near === undefined ? name : `${name}; did you mean ${near}?` });
}
