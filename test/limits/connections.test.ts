import { EventEmitter, once } from "node:events";
import { Socket } from "node:net";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSharedMemory } from "../../src/daemon/shared-memory/layout.ts";
import { reclaimThread } from "../../src/daemon/shared-memory/reclaim.ts";
import type { GatewayError } from "../../src/errors.ts";
import type { CapLane } from "../../src/limits/cap.ts";
import { networkOf } from "../../src/auth/ip-access.ts";
import { ConnectionCap } from "../../src/limits/connections.ts";

function capsOver(lanes: readonly CapLane[], { max = 1000, maxPerAddress = 1000 } = {}) {
  return lanes.map((_, thread) => new ConnectionCap({ lanes, thread, salt: "salt", max, maxPerAddress }));
}

function capsOf(threads: number, limits: { max?: number; maxPerAddress?: number }) {
  const memory = createSharedMemory(threads);
  const caps = capsOver(memory.connections, limits);
  return { memory, caps, cap: caps[0] as ConnectionCap, other: caps[1] as ConnectionCap };
}

/** A lane with so few counters that most addresses share them. */
function narrowLane(): CapLane {
  return { total: new Int32Array(1), sketch: new Int32Array(6) };
}

/** A connection that is admitted, or undefined. */
function open(cap: ConnectionCap, address: string, trusted = false): Socket | undefined {
  const socket = new Socket();
  return refusal(() => cap.admit(socket, { network: networkOf(address), trusted })) === undefined ? socket : undefined;
}

/** The code that `work` is refused with, if it is. */
function refusal(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return (error as GatewayError).code;
  }
}

async function close(socket: Socket | undefined): Promise<void> {
  const closed = once(socket as Socket, "close");
  socket?.destroy();
  await closed;
}

describe("open connections", () => {
  test("are capped in all, over all threads", async () => {
    const { cap, other } = capsOf(2, { max: 3 });
    const first = open(cap, "10.0.0.1");
    open(other, "10.0.0.2");
    open(other, "10.0.0.3");
    expect([cap.open, other.open]).toEqual([3, 3]);
    expect([open(cap, "10.0.0.4"), open(other, "10.0.0.4")]).toEqual([undefined, undefined]);
    await close(first);
    expect(other.open).toBe(2);
    expect(open(other, "10.0.0.4")).toBeDefined();
  });

  test("are capped per address, over all threads, without touching other addresses", async () => {
    const { cap, other } = capsOf(2, { maxPerAddress: 2 });
    open(cap, "10.0.0.1");
    const second = open(other, "10.0.0.1");
    expect([open(cap, "10.0.0.1"), open(other, "10.0.0.1")]).toEqual([undefined, undefined]);
    expect(open(cap, "10.0.0.2")).toBeDefined();
    await close(second);
    expect(open(cap, "10.0.0.1")).toBeDefined();
    expect(open(cap, "10.0.0.1")).toBeUndefined();
  });

  test("from one IPv6 network of 64 bits count as from one address", () => {
    const { cap } = capsOf(1, { maxPerAddress: 2 });
    expect([open(cap, "2001:db8::1"), open(cap, "2001:db8::2:2")].includes(undefined)).toBe(false);
    expect(open(cap, "2001:db8::3")).toBeUndefined();
    expect(open(cap, "2001:db8:0:1::3")).toBeDefined();
  });

  test("that are refused are not counted, neither when they come nor when they go", async () => {
    const { cap } = capsOf(1, { maxPerAddress: 1 });
    open(cap, "10.0.0.1");
    for (let times = 0; times < 3; times++) {
      const refused = new Socket();
      expect(refusal(() => cap.admit(refused, { network: "10.0.0.1", trusted: false }))).toBe("RATE_003");
      await close(refused);
    }
    expect(cap.open).toBe(1);
    expect(open(cap, "10.0.0.1")).toBeUndefined();
  });

  test("say whether their address has too many or all have", () => {
    const { cap } = capsOf(1, { max: 2, maxPerAddress: 1 });
    const admit = (address: string) => refusal(() => cap.admit(new Socket(), { network: address, trusted: false }));
    expect([admit("10.0.0.1"), admit("10.0.0.1"), admit("10.0.0.2"), admit("10.0.0.3")]).toEqual([
      undefined,
      "RATE_003",
      undefined,
      "RATE_006",
    ]);
  });

  test("of a trusted proxy are not counted as one client's", () => {
    const { cap } = capsOf(1, { max: 4, maxPerAddress: 1 });
    expect([1, 2, 3, 4].map(() => open(cap, "10.0.0.9", true)?.destroyed)).toEqual([false, false, false, false]);
    expect(open(cap, "10.0.0.9", true)).toBeUndefined();
  });

  test("of a thread that died are forgotten", () => {
    const { cap, other, memory } = capsOf(2, { max: 2, maxPerAddress: 1 });
    open(cap, "10.0.0.1");
    open(other, "10.0.0.2");
    reclaimThread(memory, 1);
    expect(cap.open).toBe(1);
    expect(open(cap, "10.0.0.1")).toBeUndefined();
    expect(open(cap, "10.0.0.2")).toBeDefined();
  });

  test("never exceed a cap in any order of coming and going, even where addresses share counters", async () => {
    const moves = fc.array(fc.record({ closing: fc.boolean(), thread: fc.nat(1), host: fc.nat(9), pick: fc.nat(50) }), {
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(moves, async (steps) => {
        const lanes = [narrowLane(), narrowLane()];
        const caps = capsOver(lanes, { max: 12, maxPerAddress: 3 });
        const connected: { host: number; socket: Socket }[] = [];
        for (const { closing, thread, host, pick } of steps) {
          if (closing) {
            const [gone] = connected.splice(pick % Math.max(1, connected.length), 1);
            if (gone !== undefined) await close(gone.socket);
          } else {
            const socket = open(caps[thread] as ConnectionCap, `10.0.0.${host}`);
            if (socket !== undefined) connected.push({ host, socket });
          }
          expect(caps[0]?.open).toBe(connected.length);
          expect(connected.length).toBeLessThanOrEqual(12);
          expect(connected.filter((one) => one.host === host).length).toBeLessThanOrEqual(3);
        }
        for (const { socket } of connected) await close(socket);
        for (const { total, sketch } of lanes) expect([...total, ...sketch].every((count) => count === 0)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test("of 2,000 addresses do not get in each other's way", () => {
    const { cap } = capsOf(1, { max: 10_000, maxPerAddress: 4 });
    for (let host = 0; host < 2000; host++) {
      expect(open(cap, `10.1.${host >> 8}.${host & 255}`)).toBeDefined();
    }
  });
});

test("each client behind a proxy has as many requests in flight as others have connections", async () => {
  const { cap, other } = capsOf(2, { maxPerAddress: 2 });
  const responses = [1, 2, 3].map(() => new EventEmitter());
  const admit = (one: ConnectionCap, index: number, address: string) =>
    refusal(() => one.admitRequest(responses[index] as EventEmitter, { network: address, trusted: false }));
  expect([admit(cap, 0, "7.7.7.7"), admit(other, 1, "7.7.7.7"), admit(cap, 2, "7.7.7.7")]).toEqual([
    undefined,
    undefined,
    "RATE_003",
  ]);
  expect(admit(cap, 2, "8.8.8.8")).toBeUndefined();
  responses[0]?.emit("close");
  expect(admit(cap, 0, "7.7.7.7")).toBeUndefined();
  expect(cap.open).toBe(0);
});
