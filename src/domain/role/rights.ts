import { matchesPattern } from "../principal.ts";
import { ownPorts } from "../port.ts";
import type { Sandbox } from "../sandbox.ts";
import type { Grant, Permission, Role } from "./role.ts";

/** A grant as it is asked: made once, when the role enters a snapshot. */
export interface Right {
  readonly grant: Grant;
  /** As records name it: `role:executor`, or `role:ci#2` where a role has more than one. */
  readonly rule: string;
}

/** The rights of one permission. */
interface Held {
  /** One that is narrowed in nothing: then no other is asked. */
  readonly wide: Right | undefined;
  readonly rights: readonly Right[];
}

/** A role, ready to be asked. Nothing is allowed that no grant gives. */
export class Rights {
  readonly role: Role;
  /** What it gives, as a text: two roles of one text give the same. */
  readonly text: string;
  /** Every sandbox is there for who has the role. */
  readonly seesAll: boolean;
  readonly #all: readonly Right[];
  readonly #held = new Map<Permission, Held>();
  /** Those that give something of sandboxes. */
  readonly #showing: readonly Grant[];

  constructor(role: Role) {
    const { name, grants } = role;
    this.role = role;
    this.#showing = grants.filter(({ permissions }) => permissions.some((each) => each.startsWith("sandbox:")));
    this.seesAll = this.#showing.some(({ sandboxes, labels }) => sandboxes === null && labels === null);
    this.text = JSON.stringify(grants);
    this.#all = grants.map((grant, index) => ({
      grant,
      rule: grants.length === 1 ? `role:${name}` : `role:${name}#${index + 1}`,
    }));
    for (const permission of new Set(grants.flatMap(({ permissions }) => permissions))) {
      const rights = this.#all.filter(({ grant }) => grant.permissions.includes(permission));
      this.#held.set(permission, { wide: rights.find(({ grant }) => isWide(grant)), rights });
    }
  }

  /** The grant that a record of this rule means; undefined when that is another role's. */
  grantOf(rule: string): Grant | undefined {
    return this.#all.find((right) => right.rule === rule)?.grant;
  }

  has(permission: Permission): boolean {
    return this.#held.has(permission);
  }

  /** One that gives the permission everywhere, in every way. */
  wide(permission: Permission): Right | undefined {
    return this.#held.get(permission)?.wide;
  }

  /** One that gives the permission for the sandbox, if perhaps not in every way. */
  over(permission: Permission, sandbox: Sandbox): Right | undefined {
    const held = this.#held.get(permission);
    if (held === undefined || held.wide !== undefined) return held?.wide;
    return held.rights.find(({ grant }) => isOver(grant, sandbox));
  }

  /** Whether the sandbox is there at all for who has the role. */
  sees(sandbox: Sandbox): boolean {
    return this.seesAll || this.#showing.some((grant) => isOver(grant, sandbox));
  }

  executing(sandbox: Sandbox, operation: string): Right | undefined {
    const held = this.#held.get("sandbox:execute");
    if (held === undefined || held.wide !== undefined) return held?.wide;
    return held.rights.find(({ grant }) => isOver(grant, sandbox) && includes(grant.operations, operation));
  }

  /**
   * Raw HTTP by a method; `port`: where on an instance's host, null = its own, undefined = wherever that may be. It can do
   * anything, so a grant of certain operations does not give it.
   */
  proxying(sandbox: Sandbox, method: string, port: number | null | undefined): Right | undefined {
    const held = this.#held.get("sandbox:proxy");
    if (held === undefined || held.wide !== undefined) return held?.wide;
    return held.rights.find(
      ({ grant }) =>
        grant.operations === null &&
        includes(grant.methods, method) &&
        isOver(grant, sandbox) &&
        (port === undefined || reaches(grant, sandbox, port)),
    );
  }

  /** The operations that may be executed in a sandbox; null = all. */
  operationsOver(sandbox: Sandbox): readonly string[] | null {
    const grants = (this.#held.get("sandbox:execute")?.rights ?? []).map(({ grant }) => grant);
    const over = grants.filter((grant) => isOver(grant, sandbox));
    if (over.some(({ operations }) => operations === null)) return null;
    return [...new Set(over.flatMap(({ operations }) => operations ?? []))];
  }
}

function isWide({ sandboxes, labels, operations, ports, methods }: Grant): boolean {
  return [sandboxes, labels, operations, ports, methods].every((narrowing) => narrowing === null);
}

function isOver({ sandboxes, labels }: Grant, sandbox: Sandbox): boolean {
  if (sandboxes !== null && !sandboxes.some((pattern) => matchesPattern(pattern, sandbox.id))) return false;
  if (labels === null) return true;
  for (const name in labels) {
    if (!Object.hasOwn(sandbox.labels, name) || sandbox.labels[name] !== labels[name]) return false;
  }
  return true;
}

function reaches({ ports }: Grant, sandbox: Sandbox, port: number | null): boolean {
  if (ports === null) return true;
  const reached = port === null ? ownPorts(sandbox) : [port];
  return reached.length > 0 && reached.every((each) => ports.some(([from, to]) => from <= each && each <= to));
}

function includes(allowed: readonly string[] | null, value: string): boolean {
  return allowed === null || allowed.includes(value);
}
