import { findPort } from "../../../auth/authorize.ts";
import { type Caller, nobody } from "../../../auth/caller.ts";
import { withoutCredential } from "../../../domain/principal.ts";
import type { Settings } from "../../../domain/settings/settings.ts";
import type { Snapshot } from "../../../domain/snapshot/snapshot.ts";
import { GatewayError } from "../../../errors.ts";
import type { SketchKey } from "../../../limits/sketch.ts";
import { PassedPreflight } from "../../forward/cors/passed-preflight.ts";
import { policyFields, preflightFields } from "../../forward/cors/policy.ts";
import type { Exchange } from "../../request/exchange.ts";
import type { Head } from "../../request/head.ts";
import type { Responder } from "../../request/respond.ts";
import type { EffectiveSettings } from "../custom/effective-settings.ts";
import type { HostSuffix } from "../host.ts";
import { type ProxyRoute, route } from "../router.ts";
import type { TransparentRoute } from "../transparent.ts";
import { preflightOf } from "./preflight.ts";

/** How a preflight is answered: by the gateway with these fields, or by an instance. */
export type Answering = { readonly fields: readonly string[] } | { readonly where: ProxyRoute };

/**
 * Browsers ask before a page of another origin calls, and send no token with that. So these are the only requests to a
 * sandbox that are answered before anybody is authenticated, and only where the sandbox's or route's `cors` setting says so;
 * everywhere else such a request is like any other without a token, and tells nobody what is there.
 */
export class Preflights {
  readonly #snapshot: () => Snapshot;
  readonly #hostSuffix: HostSuffix;
  readonly #settings: EffectiveSettings;
  readonly #transparent: TransparentRoute;
  readonly #responder: Responder;
  readonly #caller: Caller;

  constructor(options: {
    snapshot: () => Snapshot;
    hostSuffix: HostSuffix;
    settings: EffectiveSettings;
    transparent: TransparentRoute;
    responder: Responder;
    /** In which all of them together are counted. */
    shareKey: SketchKey;
  }) {
    this.#snapshot = options.snapshot;
    this.#hostSuffix = options.hostSuffix;
    this.#settings = options.settings;
    this.#transparent = options.transparent;
    this.#responder = options.responder;
    this.#caller = nobody(withoutCredential("preflight", "executor"), options.shareKey);
  }

  /** How a request is answered without a token; null when it is not. */
  find(exchange: Exchange, head: Head): Answering | null {
    const preflight = preflightOf(exchange, head);
    if (preflight === null) return null;
    const found = this.#target(head, preflight.method);
    if (found?.settings.cors === "passed") return { where: found.where };
    if (found?.settings.cors !== "gateway") return null;
    const fields = preflightFields(found.settings, preflight);
    return fields && { fields };
  }

  /** What the answer to a call that was refused says to pages of other origins; null = nothing. */
  policyOf(exchange: Exchange, head: Head): readonly string[] | null {
    const origin = exchange.field("origin");
    if (origin === undefined) return null;
    const settings = this.#target(head, exchange.method)?.settings;
    return settings?.cors === "gateway" ? policyFields(settings, origin) : null;
  }

  /** Returns a promise only when the call has to wait. */
  serve(exchange: Exchange, head: Head, answering: Answering): Promise<void> | undefined {
    if ("fields" in answering) {
      exchange.route = "preflight";
      this.#responder.fields(exchange, 204, answering.fields);
      return undefined;
    }
    exchange.standing = this.#caller.standing;
    exchange.req.rawHeaders = passing(exchange.req.rawHeaders);
    const receiver = new PassedPreflight(exchange, this.#responder);
    return this.#transparent.serve(exchange, head, this.#caller, answering.where, receiver);
  }

  /** Where the call would go that is asked about, whoever may make it; null when that is no sandbox's. */
  #target(head: Head, method: string): { where: ProxyRoute; settings: Settings } | null {
    const snapshot = this.#snapshot();
    try {
      const where = route(method, head, this.#hostSuffix, snapshot, null);
      const sandbox = where.kind === "proxy" ? snapshot.sandboxes.get(where.sandboxId) : undefined;
      if (where.kind !== "proxy" || sandbox === undefined) return null;
      findPort(sandbox, where.port);
      return { where, settings: this.#settings.of(sandbox, where.route) };
    } catch (error) {
      if (error instanceof GatewayError) return null;
      throw error;
    }
  }
}

const PASSING = /^(?:host|origin|user-agent|access-control-request-.*)$/;

/** Of what a stranger sends only what a preflight is made of. */
function passing(raw: readonly string[]): string[] {
  return raw.filter((_, index) => PASSING.test(raw[index - (index % 2)] as string));
}
