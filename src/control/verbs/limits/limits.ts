import { isIP } from "node:net";
import { canonicalAddress } from "../../../auth/addresses/network-list.ts";
import { networkOf } from "../../../auth/ip-access.ts";
import type { LimitHolder } from "../../../domain/limit.ts";
import { type Actor, type Control, check, quoted } from "../../control.ts";

const NAME = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,320}$/u;

/** What is counted of callers, addresses and sandboxes by a running daemon, which keeps it in memory only. */
export class LimitVerbs {
  readonly #control: Control;

  constructor(options: { control: Control }) {
    this.#control = options.control;
  }

  /**
   * Forgets what somebody has used of all limits, and that an address is locked out. It need not be known to anybody. An
   * address in any spelling; all of an IPv6 /64 is one. Returns it as it is limited.
   */
  async reset(
    actor: Actor,
    { of, name }: { readonly of: LimitHolder; readonly name: string },
  ): Promise<{ of: LimitHolder; name: string; revision: number }> {
    check(of !== "address" || isIP(name) !== 0, `address ${quoted(name)}: expected an IPv4 or IPv6 address`);
    check(NAME.test(name), `${of} ${quoted(name)}: expected 1 to 320 printable characters`);
    const limited = of === "address" ? networkOf(canonicalAddress(name)) : name;
    return await this.#control.write(actor, async (step) => {
      const revision = await step.announce({ kind: "limit.reset", of, name: limited });
      step.record("limit.reset", limited, { of });
      return { of, name: limited, revision };
    });
  }
}
