import { type Extent, extentOf, type SnapshotData, snapshotFrom } from "../../src/domain/snapshot/snapshot.ts";

/** A state in which there is nothing of anything. */
export const NO_STATE: SnapshotData = {
  revision: 0,
  sandboxes: [],
  routes: [],
  revoked: [],
  revokedSubjects: [],
  apiKeys: [],
  signingKeys: [],
  retiredLinkKeys: [],
  sessions: [],
  roles: [],
};

/** How much there is of everything in it. */
export const NO_EXTENT: Extent = extentOf(snapshotFrom(NO_STATE));
