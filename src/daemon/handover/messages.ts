// What two processes of one gateway say to each other while one replaces the other. They may be of different versions: what is
// not understood is ignored, and nothing that is understood ever changes its meaning.

/**
 * Sockets that listen, as descriptors of the process that is started: JSON in its arguments, because whoever sends a message
 * may be dead before it is read.
 */
export interface TakeoverSockets {
  readonly clients: readonly number[];
  readonly admin: number;
  /** See GivenSockets. */
  readonly kept: boolean;
}

export type ToSuccessor =
  /** The data folder is the successor's from now on; `revision` as below. */
  | { readonly kind: "yours"; readonly revision: number }
  /** The revision that the predecessor's own threads serve, as long as it drains. */
  | { readonly kind: "serves"; readonly revision: number };

export type ToPredecessor =
  /** It could start now, as far as it can tell without the data folder. */
  | { readonly kind: "ready" }
  /** It accepts calls: the predecessor need not. */
  | { readonly kind: "serving" }
  | { readonly kind: "failed"; readonly problem: string };

/** A message of the other's; undefined when it is none that this version knows. */
export function received<T extends ToSuccessor | ToPredecessor>(
  message: unknown,
  kinds: readonly T["kind"][],
): T | undefined {
  if (typeof message !== "object" || message === null || !("kind" in message)) return undefined;
  return kinds.some((kind) => kind === message.kind) ? (message as T) : undefined;
}
