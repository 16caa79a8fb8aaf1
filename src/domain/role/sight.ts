import { maySee, type Principal } from "../principal.ts";
import type { Sandbox } from "../sandbox.ts";
import type { Rights } from "./rights.ts";

/** Which sandboxes somebody may send something to. Two of one key see the same. */
export interface Sight {
  readonly key: string;
  sees(sandbox: Sandbox): boolean;
}

/** By HTTP with a method; null = all there are. */
export function sightOf(principal: Principal, rights: Rights, method: string): Sight | null {
  const isWide = rights.wide("sandbox:proxy") !== undefined;
  if (isWide && principal.sandboxes === null) return null;
  const patterns = principal.sandboxes === null ? "" : `${principal.sandboxes.join("\n")}\n`;
  return {
    key: isWide ? patterns : `${patterns}\n${method}\n${rights.text}`,
    sees: (sandbox) => maySee(principal, sandbox.id) && rights.proxying(sandbox, method, undefined) !== undefined,
  };
}
