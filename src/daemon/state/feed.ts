import type { Change } from "../../domain/change.ts";
import type { SnapshotData } from "../../domain/snapshot/snapshot.ts";
import { ChangeFeed } from "../../store/change-feed.ts";
import type { StateStore } from "../../store/store.ts";
import type { InForce } from "../in-force.ts";
import type { DataThreads } from "../threads/data-threads.ts";
import type { Log } from "../parts/log.ts";
import type { Parts } from "../parts/parts.ts";
import type { Picture } from "./picture.ts";

/** What looks after sandboxes, and has to hear of all that changes about them. */
interface Keeper {
  apply(change: Change): void;
  replace(sandboxes: SnapshotData["sandboxes"]): void;
}

/** Takes what is committed to the data threads first, then to everything else in the daemon that follows the state. */
export async function startFeed(parts: Parts, options: FeedOptions): Promise<ChangeFeed> {
  const { store, wholeSnapshot, picture, threads, keepers, onChange, inForce, log } = options;
  const feed = new ChangeFeed({
    store,
    snapshot: wholeSnapshot,
    revision: picture.snapshot.revision,
    onChanges(committed) {
      const changes = picture.apply(committed);
      threads.broadcast({ kind: "changes", changes });
      for (const { change } of changes) {
        for (const keeper of keepers) keeper.apply(change);
        onChange(change);
      }
      inForce.handedOut(picture.snapshot.revision);
    },
    onResync(committed) {
      const snapshot = picture.replace(committed);
      threads.broadcast({ kind: "snapshot", snapshot });
      for (const keeper of keepers) keeper.replace(snapshot.sandboxes);
      inForce.handedOut(snapshot.revision);
    },
    onError: (error) => log.error({ error: String(error) }, "the change feed cannot read the store"),
  });
  await parts.start("change feed", feed);
  return feed;
}

interface FeedOptions {
  readonly store: Pick<StateStore, "changes" | "dataVersion">;
  readonly wholeSnapshot: () => Promise<SnapshotData>;
  readonly picture: Picture;
  readonly threads: Pick<DataThreads, "broadcast">;
  readonly keepers: readonly Keeper[];
  /** A change is in the picture, and on its way to the threads. */
  readonly onChange: (change: Change) => void;
  readonly inForce: InForce;
  readonly log: Log;
}
