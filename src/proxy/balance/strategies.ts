import type { Sandbox } from "../../domain/sandbox.ts";
import { GatewayError } from "../../errors.ts";
import type { Strategies, Strategy } from "./strategy.ts";

/** Finds a sandbox's strategy by the name it has chosen, or the default one. */
export class NamedStrategies implements Strategies {
  readonly #byName: Readonly<Record<string, Strategy>>;
  readonly #initial: string;

  constructor(options: { byName: Readonly<Record<string, Strategy>>; initial: string }) {
    this.#byName = options.byName;
    this.#initial = options.initial;
  }

  of({ strategy }: Sandbox): Strategy {
    const found = this.#byName[strategy ?? this.#initial];
    if (found === undefined) throw new GatewayError("GW_001", { details: `unknown strategy ${strategy}` });
    return found;
  }
}
