import type { ErrorCode } from "../errors.ts";
import { type RefusedFacts, refusalsRecord } from "./record.ts";

/** How often the sums become records. */
const WINDOW_MS = 1_000;
/** Refusals of one kind and caller that are recorded one by one in each window, and of all of them together. */
const SINGLES_EACH = 3;
const SINGLES_ALL = 30;
/** Sums kept apart in a window; what finds no place is summed by code alone. */
const SUMS = 100;

interface Sum {
  readonly code: ErrorCode;
  /** Undefined in the sum of what found no place. */
  readonly facts: RefusedFacts | undefined;
  singles: number;
  count: number;
  /** When the first and the last one came, milliseconds since the epoch. */
  first: number;
  last: number;
}

/**
 * Refusals that anybody can cause as often as they like: a flood of them must be in the record, but must not fill the disk.
 * They are summed for each code, caller and address; each second the sums become a record each.
 */
export class Refusals {
  readonly #submit: (record: string) => void;
  readonly #now: () => number;
  #sums = new Map<string, Sum>();
  #singles = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    submit: (record: string) => void;
    /** Milliseconds since the epoch. */
    now: () => number;
  }) {
    this.#submit = options.submit;
    this.#now = options.now;
  }

  /** Adds one to the sums. Of `few`, the first ones are not added, and false says that each is to be recorded by itself. */
  add(code: ErrorCode, facts: RefusedFacts, few: boolean): boolean {
    const sum = this.#find(code, facts);
    if (few && sum.facts !== undefined && sum.singles < SINGLES_EACH && this.#singles < SINGLES_ALL) {
      sum.singles += 1;
      this.#singles += 1;
      return false;
    }
    sum.last = this.#now();
    if (sum.count === 0) sum.first = sum.last;
    sum.count += 1;
    return true;
  }

  /** Makes records of the sums now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const sums = this.#sums;
    this.#sums = new Map();
    this.#singles = 0;
    for (const sum of sums.values()) if (sum.count > 0) this.#submit(refusalsRecord(sum));
  }

  #find(code: ErrorCode, facts: RefusedFacts): Sum {
    const key = `${code} ${facts.address} ${facts.principal?.tokenId ?? ""}`;
    const known = this.#sums.get(key);
    if (known !== undefined) return known;
    if (this.#sums.size >= SUMS) return this.#sums.get(code) ?? this.#keep(code, code, undefined);
    return this.#keep(key, code, { address: facts.address, principal: facts.principal });
  }

  #keep(key: string, code: ErrorCode, facts: RefusedFacts | undefined): Sum {
    const sum: Sum = { code, facts, singles: 0, count: 0, first: 0, last: 0 };
    this.#sums.set(key, sum);
    this.#timer ??= setTimeout(() => this.flush(), WINDOW_MS);
    return sum;
  }
}
