import { CIRCUITS } from "../../support/circuits.ts";
import { expect, test } from "vitest";
import { createSharedMemory } from "../../../src/daemon/shared-memory/layout.ts";
import type { Sandbox } from "../../../src/domain/sandbox.ts";
import { LayeredMap } from "../../../src/domain/snapshot/layered-map.ts";
import type { Snapshot } from "../../../src/domain/snapshot/snapshot.ts";
import { SharedBoard } from "../../../src/proxy/health/board.ts";
import { SandboxCounter } from "../../../src/proxy/routes/sandbox-counts.ts";
import { eventually } from "../../support/eventually.ts";
import { PLAIN_INSTANCE, PLAIN_SANDBOX } from "../../support/sandboxes.ts";

function sandboxes(count: number): LayeredMap<Sandbox> {
  const all = Array.from({ length: count }, (_, number): [string, Sandbox] => {
    const id = `box-${number}`;
    const instance = {
      id: `ins_${number}`,
      sandboxId: id,
      url: "http://127.0.0.1:1",
      number,
      ...PLAIN_INSTANCE,
    };
    return [
      id,
      {
        id,
        ...PLAIN_SANDBOX,
        instances: [instance],
      },
    ];
  });
  return LayeredMap.from(all);
}

test("100,000 sandboxes are not walked for each who asks, and yet what changes shows soon", async () => {
  let snapshot: Pick<Snapshot, "sandboxes"> = { sandboxes: sandboxes(100_000) };
  const board = new SharedBoard({ words: createSharedMemory(1).instances, thread: 0, circuits: CIRCUITS });
  const counter = new SandboxCounter({ snapshot: () => snapshot as Snapshot, board });
  const expected = { total: 100_000, available: 100_000, unavailable: 0, instances: 100_000, instances_down: 0 };
  expect(counter.counts()).toEqual(expected);
  snapshot = { sandboxes: snapshot.sandboxes.without("box-7") };
  const since = performance.now();
  for (let time = 0; time < 1000; time++) counter.counts();
  // Walking over all each time took 17 ms each.
  expect(performance.now() - since).toBeLessThan(500);
  await eventually("the next count is made", () => counter.counts().total === 99_999);
});

test("a few are counted when somebody asks", () => {
  let snapshot: Pick<Snapshot, "sandboxes"> = { sandboxes: sandboxes(2) };
  const board = new SharedBoard({ words: createSharedMemory(1).instances, thread: 0, circuits: CIRCUITS });
  const counter = new SandboxCounter({ snapshot: () => snapshot as Snapshot, board });
  expect(counter.counts().total).toBe(2);
  snapshot = { sandboxes: snapshot.sandboxes.without("box-0") };
  expect(counter.counts().total).toBe(1);
});
