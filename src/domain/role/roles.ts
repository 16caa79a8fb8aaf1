import { LayeredMap } from "../snapshot/layered-map.ts";
import { Rights } from "./rights.ts";
import { BUILT_IN_ROLES, type Role } from "./role.ts";

const BUILT_IN: ReadonlyMap<string, Rights> = new Map(BUILT_IN_ROLES.map((role) => [role.name, new Rights(role)]));

/** Gives nothing. */
export const NO_RIGHTS = new Rights({ name: "", grants: [] });

/** What a role that is always there gives; undefined for any other. */
export function builtInRights(name: string): Rights | undefined {
  return BUILT_IN.get(name);
}

/** Roles by their name, the built-in ones among them, which nothing takes the place of. Never edited. */
export class Roles {
  readonly #own: LayeredMap<Rights>;

  private constructor(own: LayeredMap<Rights>) {
    this.#own = own;
  }

  static from(roles: readonly Role[]): Roles {
    return new Roles(LayeredMap.from(roles.map((role) => [role.name, new Rights(role)] as const)));
  }

  get(name: string): Rights | undefined {
    return BUILT_IN.get(name) ?? this.#own.get(name);
  }

  with(role: Role): Roles {
    return new Roles(this.#own.with(role.name, new Rights(role)));
  }

  without(name: string): Roles {
    return new Roles(this.#own.without(name));
  }

  /** Without the built-in ones. */
  get size(): number {
    return this.#own.size;
  }

  /** Those that somebody has made. */
  own(): Role[] {
    return Array.from(this.#own.values(), ({ role }) => role);
  }
}
