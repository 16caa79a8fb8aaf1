import type { Sandbox } from "../../domain/sandbox.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import type { SharedBoard } from "../health/board.ts";

export interface SandboxCounts {
  readonly total: number;
  readonly available: number;
  readonly unavailable: number;
  readonly instances: number;
  readonly instances_down: number;
}

/** So many are counted in one go: about 0.2 ms. */
const AT_ONCE = 1_000;
/** When there are more, their counts may be this old, ms. */
const FRESH_MS = 1_000;

/**
 * How many sandboxes there are, and how they are. A page that anybody may ask for must not walk over 100,000 of them each
 * time: beyond a few it is answered from the last count, and the next is made in pieces between requests.
 */
export class SandboxCounter {
  readonly #snapshot: () => Snapshot;
  readonly #board: SharedBoard;
  #last: SandboxCounts | undefined;
  #countedAt = Number.NEGATIVE_INFINITY;
  #counting = false;

  constructor(options: { snapshot: () => Snapshot; board: SharedBoard }) {
    this.#snapshot = options.snapshot;
    this.#board = options.board;
  }

  counts(): SandboxCounts {
    const { sandboxes } = this.#snapshot();
    if (this.#last === undefined || sandboxes.size <= AT_ONCE) {
      const tally = new Tally(this.#board);
      for (const sandbox of sandboxes.values()) tally.add(sandbox);
      return this.#done(tally);
    }
    if (!this.#counting && performance.now() - this.#countedAt > FRESH_MS) {
      this.#counting = true;
      this.#goOn(sandboxes.values(), new Tally(this.#board));
    }
    return this.#last;
  }

  #goOn(sandboxes: Iterator<Sandbox>, tally: Tally): void {
    setImmediate(() => {
      for (let count = 0; count < AT_ONCE; count++) {
        const next = sandboxes.next();
        if (next.done === true) return void this.#done(tally);
        tally.add(next.value);
      }
      this.#goOn(sandboxes, tally);
    });
  }

  #done(tally: Tally): SandboxCounts {
    this.#counting = false;
    this.#countedAt = performance.now();
    this.#last = tally.counts;
    return this.#last;
  }
}

class Tally {
  readonly #board: SharedBoard;
  #total = 0;
  #available = 0;
  #instances = 0;
  #down = 0;

  constructor(board: SharedBoard) {
    this.#board = board;
  }

  add({ instances }: Sandbox): void {
    let down = 0;
    for (const instance of instances) if (this.#board.state(instance) === "down") down += 1;
    this.#total += 1;
    this.#instances += instances.length;
    this.#down += down;
    if (down < instances.length) this.#available += 1;
  }

  get counts(): SandboxCounts {
    return {
      total: this.#total,
      available: this.#available,
      unavailable: this.#total - this.#available,
      instances: this.#instances,
      instances_down: this.#down,
    };
  }
}
