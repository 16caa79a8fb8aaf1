import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Change, Revised } from "../../src/domain/change.ts";
import type { SnapshotData } from "../../src/domain/snapshot/snapshot.ts";
import { GatewayError } from "../../src/errors.ts";
import { ChangeFeed } from "../../src/store/change-feed.ts";
import { KEPT_CHANGES } from "../../src/store/sqlite/changes.ts";
import type { SqliteStore } from "../../src/store/sqlite/sqlite-store.ts";
import type { StateStore } from "../../src/store/store.ts";
import { eventually } from "../support/eventually.ts";
import { openTestStore } from "../support/stores.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** Two connections to one file: the daemon's, which the feed reads, and another process's. */
function openBoth(): { own: SqliteStore; other: SqliteStore } {
  const file = join(temporaryFolder(), "store.db");
  return { own: openTestStore(file), other: openTestStore(file) };
}

type FeedStore = Pick<StateStore, "changes" | "dataVersion" | "snapshot">;

/** Ends of what the feed hands out: revisions of changes one by one, whole snapshots as `whole:<revision>`. */
async function startFeed(store: FeedStore, { revision = 0, start = true } = {}) {
  const seen: (number | string)[] = [];
  const errors: unknown[] = [];
  const subscriber = { failing: false };
  const note = (...what: (number | string)[]): void => {
    if (subscriber.failing) throw new Error("subscriber failed");
    seen.push(...what);
  };
  const feed = new ChangeFeed({
    store,
    snapshot: () => store.snapshot(0),
    revision,
    onChanges: (changes: readonly Revised[]) => note(...changes.map((change) => change.revision)),
    onResync: (snapshot: SnapshotData) => note(`whole:${snapshot.revision}`),
    onError: (error) => void errors.push(error),
  });
  onTestFinished(() => feed.stop());
  if (start) await feed.start();
  return { feed, seen, errors, subscriber };
}

const removed = (sandboxId: string): Change => ({ kind: "sandbox.removed", sandboxId });

function commit(store: StateStore, ...ids: string[]): Promise<void> {
  return store.transaction(async ({ changes }) => {
    for (const id of ids) await changes.append(removed(id), 0);
  });
}

/** Until a second feed, started now, has polled often enough to see a commit: then the first has had its chances. */
async function manyPolls(): Promise<void> {
  const { own, other } = openBoth();
  const { seen } = await startFeed(own);
  for (const revision of [1, 2, 3]) {
    await commit(other, "tick");
    await eventually("a poll", () => seen.length === revision);
  }
}

describe("a commit", () => {
  test("of another connection is handed out within 100 ms", async () => {
    const { own, other } = openBoth();
    const { seen } = await startFeed(own);
    const delays: number[] = [];
    for (let revision = 1; revision <= 5; revision++) {
      const committed = performance.now();
      await commit(other, "box");
      await eventually("it is seen", () => seen.length === revision);
      delays.push(performance.now() - committed);
    }
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    const [, , median] = delays.toSorted((a, b) => a - b);
    expect(median).toBeLessThan(100);
  });

  test("of the feed's own connection is handed out as soon as it is woken", async () => {
    const { own } = openBoth();
    const { feed, seen } = await startFeed(own);
    await commit(own, "a", "b");
    expect(seen).toEqual([]);
    await feed.wake();
    expect(seen).toEqual([1, 2]);
    await feed.wake();
    expect(seen).toEqual([1, 2]);
  });

  test("between the snapshot and the start is handed out at the start", async () => {
    const { own, other } = openBoth();
    await commit(own, "a");
    const { feed, seen } = await startFeed(own, { revision: await own.changes.revision(), start: false });
    await commit(other, "b");
    await feed.start();
    expect(seen).toEqual([2]);
  });

  test("is handed out once and in order, whoever made it and however the feed learns of it", async () => {
    const { own, other } = openBoth();
    const { feed, seen } = await startFeed(own);
    for (let round = 0; round < 30; round++) {
      await commit(other, ...Array.from({ length: round % 3 }, () => "o"));
      await commit(own, "w");
      if (round % 2 === 0) await feed.wake();
      if (round % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await commit(other, "last");
    const last = await own.changes.revision();
    await eventually("all are seen", () => seen.at(-1) === last);
    expect(seen).toEqual(Array.from({ length: last }, (_, index) => index + 1));
  });

  test("after stop is nobody's business", async () => {
    const { own, other } = openBoth();
    const { feed, seen } = await startFeed(own);
    await feed.stop();
    await commit(other, "a");
    await manyPolls();
    expect(seen).toEqual([]);
  });
});

describe("a whole snapshot is handed out instead", () => {
  test("when changes were pruned before they were seen, and what follows is handed out one by one", async () => {
    const { own, other } = openBoth();
    const { feed, seen } = await startFeed(own, { start: false });
    const ids = Array.from({ length: KEPT_CHANGES + 2 }, () => "box");
    await commit(other, ...ids);
    await feed.start();
    expect(seen).toEqual([`whole:${KEPT_CHANGES + 2}`]);
    await commit(other, "next");
    await eventually("the next is seen", () => seen.length === 2);
    expect(seen.at(-1)).toBe(KEPT_CHANGES + 3);
  });

  test("when the store is older than what was seen: it was restored from a backup", async () => {
    const { own } = openBoth();
    await commit(own, "a");
    const { seen } = await startFeed(own, { revision: 7 });
    expect(seen).toEqual(["whole:1"]);
  });

  test("on demand, and nothing of it again", async () => {
    const { own } = openBoth();
    const { feed, seen } = await startFeed(own);
    await commit(own, "a", "b");
    await feed.resync();
    await feed.wake();
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
  const store: FeedStore = {
    changes: {
      revision: () => own.changes.revision(),
      async since(revision) {
        check("since");
        return own.changes.since(revision);
      },
    },
    async dataVersion() {
      check("version");
      return own.dataVersion();
    },
    async snapshot(expiredBy) {
      check("snapshot");
      return own.snapshot(expiredBy);
    },
  };
  return { store, other, own, failing };
}

describe("a store that cannot be read", () => {
  test.each(["since", "version"] as const)("(%s) delays the changes and loses none; it is told once", async (what) => {
    const { store, other, failing } = breakable();
    const { seen, errors } = await startFeed(store);
    failing[what] = true;
    await commit(other, "a");
    await eventually("it is told", () => errors.length > 0);
    await manyPolls();
    expect(errors).toEqual([expect.objectContaining({ code: "GW_008", details: what })]);
    failing[what] = false;
    await eventually("the change is handed out without another commit", () => seen.length === 1);
    failing[what] = true;
    await commit(other, "b");
    await eventually("a new failure is told", () => errors.length === 2);
    failing[what] = false;
    await eventually("the second is handed out", () => seen.length === 2);
    expect(seen).toEqual([1, 2]);
  });

  test("when woken loses no change of its own connection either", async () => {
    const { store, own, failing } = breakable();
    const { feed, seen, errors } = await startFeed(store);
    failing.since = true;
    await commit(own, "a");
    await feed.wake();
    expect(errors).toHaveLength(1);
    failing.since = false;
    await eventually("it is handed out", () => seen.length === 1);
    expect(seen).toEqual([1]);
  });

  test("does not end the daemon when a whole snapshot is asked for", async () => {
    const { store, failing } = breakable();
    const { feed, errors, seen } = await startFeed(store);
    failing.snapshot = true;
    await feed.resync();
    expect(errors).toEqual([expect.objectContaining({ details: "snapshot" })]);
    failing.snapshot = false;
    await feed.resync();
    expect(seen).toEqual(["whole:0"]);
  });
});

test("changes a subscriber failed on are handed to it again", async () => {
  const { own, other } = openBoth();
  const { seen, errors, subscriber } = await startFeed(own);
  subscriber.failing = true;
  await commit(other, "a", "b");
  await eventually("it failed", () => errors.length === 1);
  subscriber.failing = false;
  await eventually("it has them", () => seen.length === 2);
  expect(seen).toEqual([1, 2]);
});

/** A store that answers when it is told to. */
function slow() {
  const { own, other } = openBoth();
  const waiting: (() => void)[] = [];
  const asked = { versions: 0, changes: 0 };
  const later = () => new Promise<void>((resolve) => void waiting.push(resolve));
  const store: FeedStore = {
    changes: {
      revision: () => own.changes.revision(),
      async since(revision) {
        asked.changes += 1;
        const answer = await own.changes.since(revision);
        await later();
        return answer;
      },
    },
    async dataVersion() {
      asked.versions += 1;
      return own.dataVersion();
    },
    snapshot: (expiredBy) => own.snapshot(expiredBy),
  };
  return { store, own, other, asked, answer: () => waiting.shift()?.() };
}

describe("a store that is slower than the polls", () => {
  test("is asked one thing at a time, and each change is handed out once", async () => {
    const { store, other, asked, answer } = slow();
    const { feed, seen } = await startFeed(store, { start: false });
    await commit(other, "a");
    const started = feed.start();
    await eventually("it is asked", () => asked.changes === 1);
    await commit(other, "b");
    const woken = [feed.wake(), feed.wake()];
    await manyPolls();
    expect(asked).toEqual({ versions: 1, changes: 1 });
    answer();
    await started;
    expect(seen).toEqual([1]);
    await eventually("the first wake asks", () => asked.changes === 2);
    answer();
    await woken[0];
    expect(seen).toEqual([1, 2]);
    await eventually("the second wake asks", () => asked.changes === 3);
    answer();
    await woken[1];
    expect(seen).toEqual([1, 2]);
  });

  test("hands nothing out after stop, which waits for it", async () => {
    const { store, other, asked, answer } = slow();
    const { feed, seen } = await startFeed(store, { start: false });
    await commit(other, "a");
    void feed.start();
    await eventually("it is asked", () => asked.changes === 1);
    let stopped = false;
    const stop = feed.stop().then(() => (stopped = true));
    await manyPolls();
    expect(stopped).toBe(false);
    answer();
    await stop;
    expect(seen).toEqual([]);
  });
});
