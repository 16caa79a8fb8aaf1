import { isPathWithin, type Scope } from "../../../domain/credential/link.ts";
import { GatewayError } from "../../../errors.ts";
import { readings } from "../custom/readings.ts";

/** A call as a scope is asked about it. */
export interface Wanted {
  readonly sandboxId: string;
  readonly port: number | null;
  readonly method: string;
  /** As the sandbox gets it, query included. */
  readonly path: string;
}

/**
 * Whether a link or ticket is for this. A path that something behind us could read as another has to be within in every reading.
 * @throws GatewayError AUTH_007 when it is not.
 */
export function checkScope(scope: Scope, { sandboxId, port, method, path }: Wanted): void {
  const query = path.indexOf("?");
  const bare = query < 0 ? path : path.slice(0, query);
  const isWithin =
    scope.sandboxId === sandboxId &&
    scope.port === port &&
    (scope.methods === null ||
      scope.methods.includes(method) ||
      (method === "HEAD" && scope.methods.includes("GET"))) &&
    isPathWithin(scope.path, bare) &&
    (scope.path === "/" || [...readings(bare)].every((reading) => isPathWithin(scope.path, reading)));
  if (isWithin) return;
  throw new GatewayError("AUTH_007", { details: `It is for ${scopeText(scope)}` });
}

function scopeText({ methods, port, path }: Scope): string {
  return `${methods?.join(", ") ?? "all methods"} at ${path} and below${port === null ? "" : `, port ${port}`}`;
}
