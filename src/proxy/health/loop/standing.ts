import type { HealthCheck, HealthState } from "../../../domain/instance/health.ts";
import type { Finding } from "../probes/probe.ts";

/**
 * What the checks of one instance add up to. The first decides at once; after that it takes some in a row that say otherwise,
 * so that one that comes too late, or comes through, changes nothing.
 */
export class Standing {
  #state: HealthState = "unchecked";
  /** Checks in a row that say otherwise than the state. */
  #against = 0;
  #problem: Finding = null;

  get state(): HealthState {
    return this.#state;
  }

  /** Why the last check failed; null when it went well. */
  get problem(): Finding {
    return this.#problem;
  }

  /** It is down, or may be about to be: worth asking again soon. */
  get isTroubled(): boolean {
    return this.#state === "down" || this.#problem !== null;
  }

  /** Takes over what was known before. */
  recall(state: HealthState, problem: Finding): void {
    this.#state = state;
    this.#problem = problem;
  }

  /** Takes what a check has found. Returns whether that changes the state. */
  take(finding: Finding, { rise, fall }: Pick<HealthCheck, "rise" | "fall">): boolean {
    this.#problem = finding;
    const found: HealthState = finding === null ? "well" : "down";
    if (found === this.#state) {
      this.#against = 0;
      return false;
    }
    this.#against += 1;
    const enough = this.#state === "unchecked" ? 1 : found === "well" ? rise : fall;
    if (this.#against < enough) return false;
    this.#against = 0;
    this.#state = found;
    return true;
  }
}
