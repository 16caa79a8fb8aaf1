// What one word in shared memory says about an instance's circuit. All of it changes at once, by compare-and-swap.

export const CIRCUIT_STATES = ["closed", "open", "half-open"] as const;
export type CircuitState = (typeof CIRCUIT_STATES)[number];

/** A circuit as its word has it. */
export interface Circuit {
  readonly state: CircuitState;
  /** In a row, while closed. */
  readonly failures: number;
  /** Times it opened without having stayed closed for long in between. */
  readonly ejections: number;
  /** Counts the changes of state: names a probe. */
  readonly generation: number;
}

/** Closed, and nothing known: the word of a place that was just given out. */
export const NEW_CIRCUIT = 0;

const FAILURES = 2;
const EJECTIONS = 10;
const GENERATION = 16;
const MOST_FAILURES = 0xff;
const MOST_EJECTIONS = 0x3f;
const GENERATIONS = 0x10000;

export function circuitWord({ state, failures, ejections, generation }: Circuit): number {
  const bits =
    CIRCUIT_STATES.indexOf(state) |
    (Math.min(failures, MOST_FAILURES) << FAILURES) |
    (Math.min(ejections, MOST_EJECTIONS) << EJECTIONS);
  return bits | ((generation % GENERATIONS) << GENERATION);
}

export function circuitFrom(word: number): Circuit {
  return {
    state: CIRCUIT_STATES[word & 3] ?? "closed",
    failures: (word >>> FAILURES) & MOST_FAILURES,
    ejections: (word >>> EJECTIONS) & MOST_EJECTIONS,
    generation: word >>> GENERATION,
  };
}

/** Nothing to do for a call that went well: closed, and no failure to forget. */
export function isUntroubled(word: number): boolean {
  return (word & ((1 << EJECTIONS) - 1)) === 0;
}

export function isClosed(word: number): boolean {
  return (word & 3) === 0;
}

/** It has been open, and that is not forgotten. */
export function hasPast(word: number): boolean {
  return ((word >>> EJECTIONS) & MOST_EJECTIONS) !== 0;
}

export function generationOf(word: number): number {
  return word >>> GENERATION;
}
