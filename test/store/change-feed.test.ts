import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Change, Revised } from "../../src/domain/change.ts";
import type { SnapshotData } from "../../src/domain/snapshot/snapshot.ts";
import { GatewayError } from "../../src/errors.ts";
import { ChangeFeed } from "../../src/store/change-feed.ts";
import { KEPT_CHANGES } from "../../src/store/sqlite/changes.ts";
import type { Store } from "../../src/store/store.ts";
import { eventually } from "../support/eventually.ts";
import { openTestStore } from "../support/stores.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** Two connections to one file: the daemon's, which the feed reads, and another process's. */
function openBoth(): { own: Store; other: Store } {
  const file = join(temporaryFolder(), "store.db");
  return { own: openTestStore(file), other: openTestStore(file) };
}

/** Ends of what the feed hands out: revisions of changes one by one, whole snapshots as `whole:<revision>`. */
function startFeed(store: Pick<Store, "changes" | "dataVersion" | "snapshot">, { revision = 0, start = true } = {}) {
  const seen: (number | string)[] = [];
  const errors: unknown[] = [];
  const subscriber = { failing: false };
  const note = (...what: (number | string)[]): void => {
    if (subscriber.failing) throw new Error("subscriber failed");
    seen.push(...what);
  };
  const feed = new ChangeFeed({
    store,
    revision,
    onChanges: (changes: readonly Revised[]) => note(...changes.map((change) => change.revision)),
    onResync: (snapshot: SnapshotData) => note(`whole:${snapshot.revision}`),
    onError: (error) => void errors.push(error),
  });
  onTestFinished(() => feed.stop());
  if (start) feed.start();
  return { feed, seen, errors, subscriber };
}

const removed = (sandboxId: string): Change => ({ kind: "sandbox.removed", sandboxId });

function commit(store: Store, ...ids: string[]): void {
  store.transaction(() => {
    for (const id of ids) store.changes.append(removed(id), 0);
  });
}

/** Until a second feed, started now, has polled often enough to see a commit: then the first has had its chances. */
async function manyPolls(): Promise<void> {
  const { own, other } = openBoth();
  const { seen } = startFeed(own);
  for (const revision of [1, 2, 3]) {
    commit(other, "tick");
    await eventually("a poll", () => seen.length === revision);
  }
}

describe("a commit", () => {
  test("of another connection is handed out within 100 ms", async () => {
    const { own, other } = openBoth();
    const { seen } = startFeed(own);
    const delays: number[] = [];
    for (let revision = 1; revision <= 5; revision++) {
      const committed = performance.now();
      commit(other, "box");
      await eventually("it is seen", () => seen.length === revision);
      delays.push(performance.now() - committed);
    }
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    const [, , median] = delays.toSorted((a, b) => a - b);
    expect(median).toBeLessThan(100);
  });

  test("of the feed's own connection is handed out as soon as it is woken", () => {
    const { own } = openBoth();
    const { feed, seen } = startFeed(own);
    commit(own, "a", "b");
    expect(seen).toEqual([]);
    feed.wake();
    expect(seen).toEqual([1, 2]);
    feed.wake();
    expect(seen).toEqual([1, 2]);
  });

  test("between the snapshot and the start is handed out at the start", () => {
    const { own, other } = openBoth();
    commit(own, "a");
    const { feed, seen } = startFeed(own, { revision: own.changes.revision(), start: false });
    commit(other, "b");
    feed.start();
    expect(seen).toEqual([2]);
  });

  test("is handed out once and in order, whoever made it and however the feed learns of it", async () => {
    const { own, other } = openBoth();
    const { feed, seen } = startFeed(own);
    for (let round = 0; round < 30; round++) {
      commit(other, ...Array.from({ length: round % 3 }, () => "o"));
      commit(own, "w");
      if (round % 2 === 0) feed.wake();
      if (round % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    commit(other, "last");
    const last = own.changes.revision();
    await eventually("all are seen", () => seen.at(-1) === last);
    expect(seen).toEqual(Array.from({ length: last }, (_, index) => index + 1));
  });

  test("after stop is nobody's business", async () => {
    const { own, other } = openBoth();
    const { feed, seen } = startFeed(own);
    feed.stop();
    commit(other, "a");
    await manyPolls();
    expect(seen).toEqual([]);
  });
});

describe("a whole snapshot is handed out instead", () => {
  test("when changes were pruned before they were seen, and what follows is handed out one by one", async () => {
    const { own, other } = openBoth();
    const { feed, seen } = startFeed(own, { start: false });
    const ids = Array.from({ length: KEPT_CHANGES + 2 }, () => "box");
    commit(other, ...ids);
    feed.start();
    expect(seen).toEqual([`whole:${KEPT_CHANGES + 2}`]);
    commit(other, "next");
    await eventually("the next is seen", () => seen.length === 2);
    expect(seen.at(-1)).toBe(KEPT_CHANGES + 3);
  });

  test("when the store is older than what was seen: it was restored from a backup", () => {
    const { own } = openBoth();
    commit(own, "a");
    const { seen } = startFeed(own, { revision: 7 });
    expect(seen).toEqual(["whole:1"]);
  });

  test("on demand, and nothing of it again", () => {
    const { own } = openBoth();
    const { feed, seen } = startFeed(own);
    commit(own, "a", "b");
    feed.resync();
    feed.wake();
    expect(seen).toEqual(["whole:2"]);
  });
});

/** A store whose reads can be made to fail. */
function breakable() {
  const { own, other } = openBoth();
  const failing = { since: false, version: false, snapshot: false };
  const check = (what: keyof typeof failing): void => {
    if (failing[what]) throw new GatewayError("GW_008", { details: what });
  };
  const store: Pick<Store, "changes" | "dataVersion" | "snapshot"> = {
    changes: {
      append: (change, at) => own.changes.append(change, at),
      revision: () => own.changes.revision(),
      since(revision) {
        check("since");
        return own.changes.since(revision);
      },
    },
    dataVersion() {
      check("version");
      return own.dataVersion();
    },
    snapshot(now) {
      check("snapshot");
      return own.snapshot(now);
    },
  };
  return { store, other, own, failing };
}

describe("a store that cannot be read", () => {
  test.each(["since", "version"] as const)("(%s) delays the changes and loses none; it is told once", async (what) => {
    const { store, other, failing } = breakable();
    const { seen, errors } = startFeed(store);
    failing[what] = true;
    commit(other, "a");
    await eventually("it is told", () => errors.length > 0);
    await manyPolls();
    expect(errors).toEqual([expect.objectContaining({ code: "GW_008", details: what })]);
    failing[what] = false;
    await eventually("the change is handed out without another commit", () => seen.length === 1);
    failing[what] = true;
    commit(other, "b");
    await eventually("a new failure is told", () => errors.length === 2);
    failing[what] = false;
    await eventually("the second is handed out", () => seen.length === 2);
    expect(seen).toEqual([1, 2]);
  });

  test("when woken loses no change of its own connection either", async () => {
    const { store, own, failing } = breakable();
    const { feed, seen, errors } = startFeed(store);
    failing.since = true;
    commit(own, "a");
    feed.wake();
    expect(errors).toHaveLength(1);
    failing.since = false;
    await eventually("it is handed out", () => seen.length === 1);
    expect(seen).toEqual([1]);
  });

  test("does not end the daemon when a whole snapshot is asked for", () => {
    const { store, failing } = breakable();
    const { feed, errors, seen } = startFeed(store);
    failing.snapshot = true;
    feed.resync();
    expect(errors).toEqual([expect.objectContaining({ details: "snapshot" })]);
    failing.snapshot = false;
    feed.resync();
    expect(seen).toEqual(["whole:0"]);
  });
});

test("changes a subscriber failed on are handed to it again", async () => {
  const { own, other } = openBoth();
  const { seen, errors, subscriber } = startFeed(own);
  subscriber.failing = true;
  commit(other, "a", "b");
  await eventually("it failed", () => errors.length === 1);
  subscriber.failing = false;
  await eventually("it has them", () => seen.length === 2);
  expect(seen).toEqual([1, 2]);
});
