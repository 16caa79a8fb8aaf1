import { hash } from "node:crypto";
import type { Socket } from "node:net";
import { networkOf } from "../auth/ip-access.ts";

/** Open connections of one thread, in shared memory. */
export interface ConnectionLane {
  readonly total: Int32Array;
  readonly sketch: Int32Array;
  readonly width: number;
  readonly rows: number;
}

/**
 * Caps on open connections, in all and per address (an IPv6 /64 is one), over all threads. Addresses are counted in a count-min sketch
 * (Cormode & Muthukrishnan 2005): bounded memory, and it errs only by counting too much, when two addresses share a
 * counter in every row.
 */
export class ConnectionCap {
  readonly #lanes: readonly ConnectionLane[];
  readonly #mine: ConnectionLane;
  readonly #salt: string;
  readonly #max: number;
  readonly #maxPerAddress: number;

  constructor(options: {
    lanes: readonly ConnectionLane[];
    thread: number;
    salt: string;
    max: number;
    maxPerAddress: number;
  }) {
    this.#lanes = options.lanes;
    this.#mine = options.lanes[options.thread] as ConnectionLane;
    this.#salt = options.salt;
    this.#max = options.max;
    this.#maxPerAddress = options.maxPerAddress;
  }

  /** Open connections over all threads. */
  get open(): number {
    return this.#lanes.reduce((sum, { total }) => sum + Atomics.load(total, 0), 0);
  }

  /** Counts a connection until it closes. False when it is one too many; then it is not counted. */
  admit(socket: Socket, address: string): boolean {
    const cells = this.#cells(address);
    if (this.open >= this.#max || this.#count(cells) >= this.#maxPerAddress) return false;
    this.#add(cells, 1);
    socket.once("close", () => this.#add(cells, -1));
    return true;
  }

  #cells(address: string): number[] {
    const digest = hash("sha256", `${this.#salt}\n${networkOf(address)}`);
    const { rows, width } = this.#mine;
    return Array.from({ length: rows }, (_, row) => {
      return row * width + (Number.parseInt(digest.slice(row * 8, row * 8 + 8), 16) % width);
    });
  }

  #count(cells: readonly number[]): number {
    return Math.min(
      ...cells.map((cell) => this.#lanes.reduce((sum, { sketch }) => sum + Atomics.load(sketch, cell), 0)),
    );
  }

  #add(cells: readonly number[], amount: 1 | -1): void {
    Atomics.add(this.#mine.total, 0, amount);
    for (const cell of cells) Atomics.add(this.#mine.sketch, cell, amount);
  }
}
