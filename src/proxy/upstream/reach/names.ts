/** Where a name leads, and for how long that holds. */
export interface Found {
  /** IP addresses, the one to try first in front; at least one. */
  readonly addresses: readonly string[];
  readonly ttlMs: number;
}

/** Asks once where a name leads. Rejects when that cannot be found out, or it leads nowhere. */
export type Lookup = (name: string) => Promise<Found>;

/** However short a TTL is, a name is not asked for more often. */
const LEAST_TTL_MS = 1_000;
/** However long it is, a change is seen within this time. */
const MOST_TTL_MS = 300_000;
/** What was true is used for this long after its time, while no new answer is to be had (RFC 8767). */
const STALE_MS = 60_000;
/** Who has something stale waits only so long for something new. */
const PATIENCE_MS = 500;
/** A failure is the answer for this long. */
const FAILED_MS = 1_000;

interface Entry {
  addresses: readonly string[];
  /** Until then the addresses hold, or the failure. */
  until: number;
  /** Until then the addresses are better than nothing. */
  staleUntil: number;
  error: Error | undefined;
  asking: Promise<readonly string[]> | undefined;
}

/** The names of instances and where they lead: asked for by several, looked up once, kept for as long as DNS says. */
export class Names {
  readonly #lookup: Lookup;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(lookup: Lookup, now: () => number = () => performance.now()) {
    this.#lookup = lookup;
    this.#now = now;
  }

  /** The addresses of a name. Rejects when there are none, and none that were good a minute ago. */
  async find(name: string): Promise<readonly string[]> {
    const now = this.#now();
    const entry = this.#entry(name);
    if (now < entry.until) {
      if (entry.error === undefined || now < entry.staleUntil) return entry.addresses;
      throw entry.error;
    }
    const asked = this.#ask(name, entry);
    if (now >= entry.staleUntil) return await asked;
    return await Promise.race([asked, pause(PATIENCE_MS)]).then((addresses) => addresses ?? entry.addresses);
  }

  /** Asks again if the time has come; who wants the answer asks `known`. */
  refresh(name: string): void {
    const entry = this.#entry(name);
    if (this.#now() >= entry.until) this.#ask(name, entry).catch(() => undefined); // kept in the entry
  }

  /** What the name leads to as far as is known; undefined when nothing is. */
  known(name: string): readonly string[] | undefined {
    const addresses = this.#entries.get(name)?.addresses;
    return addresses === undefined || addresses.length === 0 ? undefined : addresses;
  }

  /** The address that answered is tried first from now on, until the name is asked for again. */
  prefer(name: string, address: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || entry.addresses[0] === address || !entry.addresses.includes(address)) return;
    entry.addresses = [address, ...entry.addresses.filter((other) => other !== address)];
  }

  /** Forgets names that nobody has asked for lately. */
  prune(): void {
    const now = this.#now();
    for (const [name, { until, staleUntil, asking }] of this.#entries) {
      if (now >= until && now >= staleUntil && asking === undefined) this.#entries.delete(name);
    }
  }

  #entry(name: string): Entry {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      const never = Number.NEGATIVE_INFINITY;
      entry = { addresses: [], until: never, staleUntil: never, error: undefined, asking: undefined };
      this.#entries.set(name, entry);
    }
    return entry;
  }

  /** The answer, or what was good until lately; rejects with neither. */
  #ask(name: string, entry: Entry): Promise<readonly string[]> {
    entry.asking ??= this.#lookup(name)
      .then(
        ({ addresses, ttlMs }) => this.#found(entry, addresses, ttlMs),
        (error: unknown) => this.#failed(entry, error as Error),
      )
      .finally(() => {
        entry.asking = undefined;
      });
    return entry.asking;
  }

  #found(entry: Entry, addresses: readonly string[], ttlMs: number): readonly string[] {
    const now = this.#now();
    entry.addresses = addresses;
    entry.error = undefined;
    entry.until = now + Math.min(MOST_TTL_MS, Math.max(LEAST_TTL_MS, ttlMs));
    entry.staleUntil = entry.until + STALE_MS;
    return addresses;
  }

  #failed(entry: Entry, error: Error): readonly string[] {
    const now = this.#now();
    entry.error = error;
    entry.until = now + FAILED_MS;
    if (now < entry.staleUntil) return entry.addresses;
    entry.addresses = [];
    throw error;
  }
}

function pause(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), ms).unref();
  });
}
