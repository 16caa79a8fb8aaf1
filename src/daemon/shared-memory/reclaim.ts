import { GRANTED } from "../../limits/concurrency.ts";
import { Tally } from "../../limits/tunnels/tally.ts";
import type { SharedMemory } from "./layout.ts";

/**
 * Gives back what a thread held when it died: its slots, its waiting callers and its lanes.
 * Only after the thread has ended.
 */
export function reclaimThread(memory: SharedMemory, thread: number): void {
  const { slots } = memory;
  const word = thread * slots.stride;
  Atomics.store(slots.waiting, word, 0);
  Atomics.store(slots.ready, word, 0);
  slots.heldBy[thread]?.fill(0);
  slots.wantedBy[thread]?.fill(0);
  const lost = Atomics.exchange(slots.held, word, 0) + (Atomics.exchange(slots.granted, word, 0) & GRANTED);
  Atomics.sub(slots.shared, 0, lost);
  // Nobody is left to pass the slots on: whoever waits for one is told to look.
  for (let other = 0; other < memory.threads; other++) Atomics.notify(slots.granted, other * slots.stride);
  memory.instances.inFlight[thread]?.fill(0);
  for (const places of [memory.connections[thread], memory.streams[thread], memory.bodies[thread]]) {
    places?.total.fill(0);
    places?.sketch.fill(0);
  }
  new Tally({ words: memory.tunnels, thread: memory.threads }).drop(thread);
}
