/** Something that runs: `stop` is safe at any time after `start` was called, whatever became of it. */
export interface Part<T> {
  start(): T | Promise<T>;
  stop(): void | Promise<void>;
}

/** A part that takes longer than this to stop is left behind. */
const STOP_LIMIT_MS = 10_000;

/**
 * What a program consists of: started in order, stopped in reverse. One that fails to stop, or never comes to an end with
 * it, stops nobody else.
 */
export class Parts {
  readonly #onError: (part: string, error: unknown) => void;
  readonly #stops: { readonly name: string; readonly limitMs: number; readonly stop: () => void | Promise<void> }[] =
    [];
  #stopped: Promise<void> | undefined;

  constructor(options: {
    /** A part did not stop. The others do nevertheless. */
    onError: (part: string, error: unknown) => void;
  }) {
    this.#onError = options.onError;
  }

  /** Opens something that is stopped by `close`. */
  async open<T>(name: string, open: () => T | Promise<T>, close: (opened: T) => void | Promise<void>): Promise<T> {
    const opened = await open();
    this.#stops.push({ name, limitMs: STOP_LIMIT_MS, stop: () => close(opened) });
    return opened;
  }

  /** Starts a part; one whose start fails is stopped like the others. `limitMs`: for one with deadlines of its own. */
  async start<T>(name: string, part: Part<T>, { limitMs = STOP_LIMIT_MS } = {}): Promise<T> {
    this.#stops.push({ name, limitMs, stop: () => part.stop() });
    return part.start();
  }

  /** Does this every so many milliseconds until the parts that were started before it stop. */
  every(ms: number, work: () => void): void {
    const timer = setInterval(work, ms);
    this.#stops.push({ name: "timer", limitMs: STOP_LIMIT_MS, stop: () => clearInterval(timer) });
  }

  /** Stops what has been started, the last one first. Never rejects. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    for (const { name, limitMs, stop } of this.#stops.toReversed()) {
      try {
        await within(limitMs, stop);
      } catch (error) {
        this.#onError(name, error);
      }
    }
  }
}

/** @throws Error when `work` is not done after `ms`. */
async function within(ms: number, work: () => void | Promise<void>): Promise<void> {
  if (ms === Number.POSITIVE_INFINITY) return work();
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not stopped within ${ms} ms`)), ms);
  });
  try {
    await Promise.race([work(), over]);
  } finally {
    clearTimeout(timer);
  }
}
