import type { HealthCheck } from "../../../domain/instance/health.ts";
import type { Instance, Sandbox } from "../../../domain/sandbox.ts";
import type { Watched } from "../../request/deadlines.ts";
import type { Reached } from "../../upstream/reach/reach.ts";
import type { Asking, Target } from "../probes/probe.ts";
import type { Due } from "./agenda.ts";
import type { Waiting } from "./lane.ts";
import { Standing } from "./standing.ts";

/** One instance that is checked: how, when next, and what came of it so far. */
export class Subject implements Target, Due, Waiting {
  instance: Instance;
  readonly check: HealthCheck;
  readonly told: string | null;
  readonly program: string;
  readonly standing = new Standing();
  /** All that decides how it is checked, as one text: another one is another subject. */
  readonly key: string;
  /** While it is being checked. */
  asking: (Asking & Watched) | undefined;
  at = 0;
  place = -1;
  readonly #reach: () => Reached;
  #reached: Reached | undefined;

  constructor(options: {
    instance: Instance;
    check: HealthCheck;
    told: string | null;
    program: string;
    key: string;
    reach: () => Reached;
  }) {
    this.instance = options.instance;
    this.check = options.check;
    this.told = options.told;
    this.program = options.program;
    this.key = options.key;
    this.#reach = options.reach;
  }

  get isSlow(): boolean {
    return this.standing.isTroubled;
  }

  readonly reached = (): Reached => (this.#reached ??= this.#reach());
}

/** What a sandbox's instances are told in Host, where that is the same for every request. */
export function toldHostOf({ settings: { hostHeader } }: Sandbox): string | null {
  return hostHeader === undefined || hostHeader === "instance" || hostHeader === "client" ? null : hostHeader;
}
