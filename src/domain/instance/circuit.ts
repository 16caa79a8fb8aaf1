/** An instance's circuit is closed by hand, whatever the data path thinks of it. */
export interface CircuitChange {
  readonly kind: "circuit.closed";
  readonly sandboxId: string;
  readonly instanceId: string;
  /** Also how often it has been open. */
  readonly forget: boolean;
}

/** What the daemon tells of a circuit that is not simply closed. */
export interface ObservedCircuit {
  readonly state: "closed" | "open" | "half-open";
  /** In a row, while closed. */
  readonly failures: number;
  /** Times it opened without having stayed closed for long in between. */
  readonly ejections: number;
  /** When a call may try it, while open; milliseconds since the epoch. */
  readonly probe_at_ms: number;
  /** When it closed after it had been open, while that is not forgotten; milliseconds since the epoch, else 0. */
  readonly closed_at_ms: number;
}

/** Of which the daemon tells nothing. */
export const CLOSED: ObservedCircuit = { state: "closed", failures: 0, ejections: 0, probe_at_ms: 0, closed_at_ms: 0 };

/** The circuits by instance id, of what a daemon wrote; what is not one is left out. */
export function observedCircuits(written: unknown): ReadonlyMap<string, ObservedCircuit> {
  const entries = typeof written === "object" && written !== null ? Object.entries(written) : [];
  const known = entries.map(([id, circuit]) => [id, { closed_at_ms: 0, ...circuit }] as const);
  return new Map(known.filter((entry): entry is [string, ObservedCircuit] => isObserved(entry[1])));
}

function isObserved(value: unknown): value is ObservedCircuit {
  if (typeof value !== "object" || value === null) return false;
  const circuit = value as Partial<Record<keyof ObservedCircuit, unknown>>;
  const { state, failures, ejections, probe_at_ms: probeAt, closed_at_ms: closedAt } = circuit;
  const numbers = [failures, ejections, probeAt, closedAt].every(Number.isFinite);
  return numbers && (state === "closed" || state === "open" || state === "half-open");
}
