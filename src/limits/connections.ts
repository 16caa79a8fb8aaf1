import type { Socket } from "node:net";
import { networkOf } from "../auth/ip-access.ts";
import { Cap, type CapLane } from "./cap.ts";
import { sketchKey } from "./sketch.ts";

/** Caps on open connections, in all and per address (an IPv6 /64 is one), over all threads. */
export class ConnectionCap {
  readonly #cap: Cap;
  readonly #salt: string;
  readonly #words: number;

  constructor(options: {
    lanes: readonly CapLane[];
    thread: number;
    salt: string;
    max: number;
    maxPerAddress: number;
  }) {
    this.#cap = new Cap({ ...options, share: options.maxPerAddress });
    this.#salt = options.salt;
    this.#words = (options.lanes[0] as CapLane).sketch.length;
  }

  /** Open connections over all threads. */
  get open(): number {
    return this.#cap.taken;
  }

  /** Counts a connection until it closes. False when it is one too many; then it is not counted. */
  admit(socket: Socket, address: string): boolean {
    const key = sketchKey(this.#salt, networkOf(address), this.#words);
    if (this.#cap.take(key) !== "taken") return false;
    socket.once("close", () => this.#cap.release(key));
    return true;
  }
}
