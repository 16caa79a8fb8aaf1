// How a data thread that hangs is noticed: its event loop counts in shared memory, and the control thread looks.

/** A few a second: enough for a limit of seconds, and nothing that a thread would notice. */
const BEAT_MS = 200;

/** Counts while the event loop of the calling thread turns. */
export function startHeartbeat(beat: Int32Array): void {
  setInterval(() => Atomics.add(beat, 0, 1), BEAT_MS);
}

/** For how long a thread has shown no sign of life. */
export class Silence {
  readonly #beat: Int32Array;
  #last: number;
  #ms = 0;

  constructor(beat: Int32Array) {
    this.#beat = beat;
    this.#last = Atomics.load(beat, 0);
  }

  /**
   * Looks, and returns the silence in milliseconds. `sinceLastLook` counts towards it only as far as the caller itself was
   * awake: one that was suspended must not take everybody else for dead.
   */
  look(sinceLastLook: number): number {
    const beat = Atomics.load(this.#beat, 0);
    this.#ms = beat === this.#last ? this.#ms + sinceLastLook : 0;
    this.#last = beat;
    return this.#ms;
  }
}
