import type { Change, Revised } from "../change.ts";
import { apiKeys } from "./api-keys.ts";
import type { Held, Projection, Sized } from "./projection.ts";
import { retiredLinkKeys } from "./taken-back/retired-link-keys.ts";
import { revocations } from "./taken-back/revocations.ts";
import { revokedSubjects } from "./taken-back/revoked-subjects.ts";
import { roles } from "./roles.ts";
import { routes } from "./routes.ts";
import { sandboxes } from "./sandboxes.ts";
import { sessions } from "./sessions.ts";
import { signingKeys } from "./signing-keys.ts";

/** Every noun of the snapshot under the name it has there: the only list of them. */
const NOUNS = {
  sandboxes,
  routes,
  revoked: revocations,
  revokedSubjects,
  apiKeys,
  signingKeys,
  retiredLinkKeys,
  sessions,
  roles,
} as const;

type Nouns = typeof NOUNS;
type Name = keyof Nouns;

/** The same as a list, where each noun's own types are lost: what goes in beside a projection is its own part. */
const PROJECTIONS = Object.entries(NOUNS) as [Name, Projection<unknown, Sized>][];

/** Everything the data path needs to know. Replaced whole, never edited: a request keeps the one it started with. */
export type Snapshot = {
  /** Revision of the newest change in it. */
  readonly revision: number;
} & { readonly [N in Name]: ReturnType<Nouns[N]["from"]> };

/** A snapshot as plain data, the form in which it crosses threads and leaves the store. */
export type SnapshotData = { readonly revision: number } & {
  readonly [N in Name]: Readonly<ReturnType<Nouns[N]["rows"]>>;
};

export function snapshotFrom(data: SnapshotData): Snapshot {
  return assembled(data.revision, (name, projection) => projection.from(data[name])) as Snapshot;
}

/** The same as plain data again. */
export function snapshotData(snapshot: Snapshot): SnapshotData {
  return assembled(snapshot.revision, (name, projection) => projection.rows(snapshot[name])) as SnapshotData;
}

/** The snapshot after one change. Changes at or before the snapshot's revision are already in it and change nothing. */
export function applyChange(snapshot: Snapshot, { revision, change }: Revised): Snapshot {
  if (revision <= snapshot.revision) return snapshot;
  return assembled(revision, (name, projection) => projection.apply(snapshot[name], change)) as Snapshot;
}

/** What a change takes away from the snapshot that it is applied to. */
export function dropped(snapshot: Snapshot, change: Change): Held {
  return together((name, projection) => projection.dropped(snapshot[name], change));
}

/** The snapshot without what expired by then (ms since the epoch) and is of no use any more. */
export function forgetExpired(snapshot: Snapshot, expiredBy: number): Snapshot {
  return assembled(snapshot.revision, (name, projection) => {
    return projection.forget?.(snapshot[name], expiredBy) ?? snapshot[name];
  }) as Snapshot;
}

/** How many there are of each noun, with the revision: two pictures of one state that have not the same are not the same. */
export type Extent = { readonly revision: number } & { readonly [N in Name]: number };

export function extentOf(snapshot: Snapshot): Extent {
  return assembled(snapshot.revision, (name) => snapshot[name].size) as Extent;
}

export function isSameExtent(one: Extent, other: Extent): boolean {
  return one.revision === other.revision && PROJECTIONS.every(([name]) => one[name] === other[name]);
}

/** What the snapshot makes others keep. */
export function held(snapshot: Snapshot): Held {
  return together((name, projection) => projection.held(snapshot[name]));
}

type Part<T> = (name: Name, projection: Projection<unknown, Sized>) => T;

function assembled(revision: number, part: Part<unknown>): { readonly revision: number } {
  const parts = PROJECTIONS.map(([name, projection]) => [name, part(name, projection)]);
  return { revision, ...Object.fromEntries(parts) };
}

function together(part: Part<Held>): Held {
  return { instances: PROJECTIONS.flatMap(([name, projection]) => part(name, projection).instances) };
}
