import type { Settings } from "../../domain/settings/settings.ts";
import { GatewayError } from "../../errors.ts";
import { AddressRule } from "./network-list.ts";

/** Where each sandbox may be called from, by its own lists; the gateway's have been asked before. */
export class SandboxAddresses {
  /** Made once for each. */
  readonly #rules = new WeakMap<Settings, AddressRule>();

  /** Whether a sandbox with these settings may be called from there. `address`: canonical. */
  allows(settings: Settings, address: string): boolean {
    if (settings.allowIp === undefined && settings.denyIp === undefined) return true;
    return this.#ruleOf(settings).allows(address);
  }

  /** @throws GatewayError AUTH_006 */
  check(settings: Settings, address: string): void {
    if (this.allows(settings, address)) return;
    throw new GatewayError("AUTH_006", {
      details: "This sandbox may not be called from this address",
      remediation: "Call from a network that it allows, or change its --allow-ip / --deny-ip",
    });
  }

  #ruleOf(settings: Settings): AddressRule {
    let rule = this.#rules.get(settings);
    if (rule === undefined) {
      rule = new AddressRule({ allow: settings.allowIp, deny: settings.denyIp });
      this.#rules.set(settings, rule);
    }
    return rule;
  }
}
