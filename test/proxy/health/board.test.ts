import { CIRCUITS } from "../../support/circuits.ts";
import { UNTRACKED } from "../../../src/proxy/health/board.ts";
import { describe, expect, test } from "vitest";
import { createSharedMemory } from "../../../src/daemon/shared-memory/layout.ts";
import { reclaimThread } from "../../../src/daemon/shared-memory/reclaim.ts";
import type { Instance } from "../../../src/domain/sandbox.ts";
import { INSTANCE_STATES } from "../../../src/domain/instance/state.ts";
import { SharedBoard } from "../../../src/proxy/health/board.ts";
import { stateWord } from "../../../src/proxy/health/state-word.ts";
import { PLAIN_INSTANCE, SOME_SANDBOX } from "../../support/sandboxes.ts";

const instance = (number: number): Instance => ({
  id: `ins_${number}`,
  sandboxId: "box",
  url: "http://127.0.0.1:9000",
  number,
  ...PLAIN_INSTANCE,
  place: number,
});

function boardsOf(threads: number) {
  const memory = createSharedMemory(threads);
  const words = memory.instances;
  for (const number of [1, 2, 3]) words.state[number] = stateWord(instance(number), "unknown");
  const boards = Array.from({ length: threads }, (_, thread) => new SharedBoard({ words, thread, circuits: CIRCUITS }));
  return {
    memory,
    boards,
    board: boards[0] as SharedBoard,
    other: boards[1] as SharedBoard,
    onlooker: new SharedBoard({ words, circuits: CIRCUITS }),
  };
}

describe("the state of an instance", () => {
  test("is unknown until it has been tried", () => {
    expect(boardsOf(1).board.state(instance(1))).toBe("unknown");
  });

  test.each(INSTANCE_STATES)("set to %s on one thread is seen by all, and is that instance's alone", (state) => {
    const { board, other, onlooker } = boardsOf(2);
    for (const number of [1, 3]) board.set(instance(number), "up");
    board.set(instance(2), state);
    for (const one of [board, other, onlooker]) {
      expect([1, 2, 3].map((number) => one.state(instance(number)))).toEqual(["up", state, "up"]);
    }
  });

  test("follows what was last reported", () => {
    const { board, other } = boardsOf(2);
    board.report(SOME_SANDBOX, instance(1), 0, "answered");
    expect(other.state(instance(1))).toBe("up");
    other.report(SOME_SANDBOX, instance(1), 0, "unreachable");
    expect(board.state(instance(1))).toBe("down");
  });

  test("of an instance that has no place, or has lost it to another, is unknown and stays so", () => {
    const { board, memory } = boardsOf(1);
    const { place: _, ...homeless } = instance(1);
    const former = { ...instance(7), place: 2 };
    for (const one of [homeless, former]) {
      board.set(one, "down");
      board.report(SOME_SANDBOX, one, 0, "answered");
      expect([board.state(one), board.claim(one, 0), board.inFlight(one)]).toEqual(["unknown", UNTRACKED, 0]);
    }
    expect(board.state(instance(2))).toBe("unknown");
    expect(memory.instances.inFlight[0]?.every((count) => count === 0)).toBe(true);
  });
});

describe("requests in flight", () => {
  test("are counted over all threads, for each instance apart", () => {
    const { board, other, onlooker } = boardsOf(2);
    board.claim(instance(1), 0);
    other.claim(instance(1), 0);
    other.claim(instance(2), 0);
    expect([1, 2, 3].map((number) => onlooker.inFlight(instance(number)))).toEqual([2, 1, 0]);
    board.release(instance(1), 0);
    other.release(instance(2), 0);
    expect([1, 2].map((number) => board.inFlight(instance(number)))).toEqual([1, 0]);
  });

  test("are none of somebody's who only looks", () => {
    const { board, onlooker } = boardsOf(1);
    onlooker.claim(instance(1), 0);
    expect(board.inFlight(instance(1))).toBe(0);
    board.claim(instance(1), 0);
    onlooker.release(instance(1), 0);
    expect(onlooker.inFlight(instance(1))).toBe(1);
  });

  test("of a thread that died are dropped; what it knew of the instances stays", () => {
    const { board, other, memory } = boardsOf(2);
    board.claim(instance(1), 0);
    other.claim(instance(1), 0);
    other.claim(instance(1), 0);
    other.report(SOME_SANDBOX, instance(1), 0, "answered");
    reclaimThread(memory, 1);
    expect(board.inFlight(instance(1))).toBe(1);
    expect(board.state(instance(1))).toBe("up");
  });
});
