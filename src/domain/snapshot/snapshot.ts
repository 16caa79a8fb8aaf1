import type { Revised } from "../change.ts";
import { LayeredMap } from "./layered-map.ts";
import type { Sandbox } from "../sandbox.ts";

/** A token that was revoked before its time. */
export interface Revocation {
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** Everything the data path needs to know. Replaced whole, never edited: a request keeps the one it started with. */
export interface Snapshot {
  /** Revision of the newest change in it. */
  readonly revision: number;
  readonly sandboxes: LayeredMap<Sandbox>;
  /** Revoked tokens that would still be accepted, by token id. */
  readonly revoked: LayeredMap<Revocation>;
}

/** A snapshot as plain data, the form in which it crosses threads and leaves the store. */
export interface SnapshotData {
  readonly revision: number;
  readonly sandboxes: readonly Sandbox[];
  readonly revoked: readonly { readonly tokenId: string; readonly expiresAt: number }[];
}

export function snapshotFrom(data: SnapshotData): Snapshot {
  return {
    revision: data.revision,
    sandboxes: LayeredMap.from(data.sandboxes.map((sandbox) => [sandbox.id, sandbox])),
    revoked: LayeredMap.from(data.revoked.map(({ tokenId, expiresAt }) => [tokenId, { expiresAt }])),
  };
}

/** The same as plain data again. */
export function snapshotData({ revision, sandboxes, revoked }: Snapshot): SnapshotData {
  return {
    revision,
    sandboxes: [...sandboxes.values()],
    revoked: [...revoked.entries()].map(([tokenId, { expiresAt }]) => ({ tokenId, expiresAt })),
  };
}

/** The snapshot after one change. Changes at or before the snapshot's revision are already in it and change nothing. */
export function applyChange(snapshot: Snapshot, { revision, change }: Revised): Snapshot {
  if (revision <= snapshot.revision) return snapshot;
  switch (change.kind) {
    case "sandbox.put":
      return { ...snapshot, revision, sandboxes: snapshot.sandboxes.with(change.sandbox.id, change.sandbox) };
    case "sandbox.removed":
      return { ...snapshot, revision, sandboxes: snapshot.sandboxes.without(change.sandboxId) };
    case "token.revoked":
      return {
        ...snapshot,
        revision,
        revoked: snapshot.revoked.with(change.tokenId, { expiresAt: change.expiresAt }),
      };
  }
}
