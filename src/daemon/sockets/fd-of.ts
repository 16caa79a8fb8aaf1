import type { Server } from "node:net";

/** The descriptor that a server listens on; -1 when it does not. Node has it, and tells nobody. */
export function fdOf(server: Server): number {
  return (server as unknown as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1;
}
