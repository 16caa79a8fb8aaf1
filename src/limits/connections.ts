import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { GatewayError } from "../errors.ts";
import { Cap, type CapLane } from "./cap.ts";
import { Sketch, type SketchKey, sketchKey } from "./sketch.ts";

/** Whom a connection or request comes from. */
export interface Network {
  /** What one client has to itself: an IPv4 address, or an IPv6 /64. */
  readonly network: string;
  /** A proxy of ours. */
  readonly trusted: boolean;
}

/**
 * Caps on open connections, in all and per address (an IPv6 /64 is one), over all threads. A trusted proxy is not one client:
 * of its connections only the whole counts, and each of its clients may have as many requests in flight as others have
 * connections.
 */
export class ConnectionCap {
  readonly #cap: Cap;
  readonly #behindProxies: Sketch;
  readonly #maxPerAddress: number;
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
    this.#behindProxies = new Sketch({ lanes: options.lanes.map(({ sketch }) => sketch), thread: options.thread });
    this.#maxPerAddress = options.maxPerAddress;
    this.#salt = options.salt;
    this.#words = (options.lanes[0] as CapLane).sketch.length;
  }

  /** Open connections over all threads. */
  get open(): number {
    return this.#cap.taken;
  }

  /** Counts a connection until it closes. What is one too many is not counted. @throws GatewayError RATE_003, RATE_006 */
  admit(socket: Socket, { network, trusted }: Network): void {
    const key = trusted ? null : this.#key(network);
    const taken = this.#cap.take(key);
    if (taken === "over share") throw new GatewayError("RATE_003", { retryAfter: 1 });
    if (taken === "full") throw new GatewayError("RATE_006", { retryAfter: 1 });
    socket.once("close", () => this.#cap.release(key));
  }

  /** Counts a request that a trusted proxy has passed on until its response is closed. @throws GatewayError RATE_003 */
  admitRequest(response: EventEmitter, { network }: Network): void {
    const key = this.#key(`behind a proxy ${network}`);
    if (this.#behindProxies.count(key) >= this.#maxPerAddress) {
      throw new GatewayError("RATE_003", { details: "Too many requests in flight", retryAfter: 1 });
    }
    this.#behindProxies.add(key, 1);
    response.once("close", () => this.#behindProxies.add(key, -1));
  }

  #key(name: string): SketchKey {
    return sketchKey(this.#salt, name, this.#words);
  }
}
