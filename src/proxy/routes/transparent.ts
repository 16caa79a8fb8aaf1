import type { Caller } from "../../auth/authenticate.ts";
import { authorize, authorizeProxy, findPort } from "../../auth/authorize.ts";
import type { Principal } from "../../domain/principal.ts";
import { GatewayError } from "../../errors.ts";
import type { Selection } from "../balance/selection.ts";
import type { Stickiness } from "../balance/stickiness/stickiness.ts";
import type { DispatchContext } from "../dispatch/context.ts";
import { Dispatch } from "../dispatch/dispatch.ts";
import { type TimeoutsBySettings, totalOf } from "../dispatch/timeouts.ts";
import type { Tunnels } from "../../limits/tunnels/tunnels.ts";
import type { Receiver } from "../dispatch/receiver.ts";
import { policyFields } from "../forward/cors/policy.ts";
import { Forward, type ForwardContext, outbound } from "../forward/forward.ts";
import type { Transforms } from "../forward/transform/transforms.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Head } from "../request/head.ts";
import { checkBodyLength } from "../request/read-body.ts";
import type { Recorder } from "../request/record.ts";
import type { Admission } from "./admit.ts";
import type { EffectiveSettings } from "./custom/effective-settings.ts";
import type { ProxyRoute, SelectRoute } from "./router.ts";

export interface TransparentOptions {
  readonly admission: Admission;
  readonly dispatching: DispatchContext;
  readonly stickiness: Stickiness;
  readonly selection: Selection;
  readonly forwarding: ForwardContext;
  readonly recorder: Recorder;
  readonly timeouts: TimeoutsBySettings;
  readonly transforms: Transforms;
  readonly settings: EffectiveSettings;
  readonly maxBodySize: number;
  readonly tunnels: Tunnels;
}

const SLASH = "/".charCodeAt(0);

/** `ANY /s/{sandbox_id}/…`, a sandbox's host, a custom route: the transparent proxy. */
export class TransparentRoute {
  readonly #o: TransparentOptions;

  constructor(options: TransparentOptions) {
    this.#o = options;
  }

  /**
   * Returns a promise only when the call has to wait: for a slot, or for its start record.
   * `preflight`: what takes the answer to one, which comes without a token.
   */
  serve(
    exchange: Exchange,
    head: Head,
    caller: Caller,
    where: ProxyRoute,
    preflight: Receiver | null = null,
  ): Promise<void> | undefined {
    const { principal } = caller;
    const { sandboxId, mount } = where;
    exchange.route = "proxy";
    exchange.sandboxId = sandboxId;
    exchange.port = where.port;
    exchange.mount = mount;
    authorize(principal, "sandbox:proxy");
    authorizeProxy(principal);
    const sandbox = this.#o.admission.find(principal, sandboxId);
    exchange.port = findPort(sandbox, where.port);
    const settings = this.#o.settings.of(sandbox, where.route);
    if (settings.cors === "gateway") exchange.cors = policyFields(settings, exchange.field("origin"));
    if (mount !== "" && head.target.charCodeAt(mount.length) !== SLASH && isFolder(where)) {
      exchange.decision = "allow";
      exchange.rule = `role:${principal.role}`;
      return this.#toFolder(exchange, head, mount);
    }
    checkBodyLength(head.bodyLength, this.#o.maxBodySize);
    const { totalMs } = this.#o.timeouts.of(settings);
    exchange.endBy = exchange.startedAt + totalOf(head.requestTimeout, totalMs);
    if (exchange.offer !== null) {
      exchange.tunnel = this.#o.tunnels.claim(caller.rateKey, sandboxId, sandbox.settings.maxTunnels);
    }
    const waiting = this.#o.admission.enter(exchange, caller, sandbox, settings);
    if (waiting !== undefined) return waiting.then(() => this.#begin(exchange, head, principal, where, preflight));
    return this.#begin(exchange, head, principal, where, preflight);
  }

  /** The same for whichever sandbox has the labels: the answer tells which one it was. */
  serveSelected(exchange: Exchange, head: Head, caller: Caller, where: SelectRoute): Promise<void> | undefined {
    const { principal } = caller;
    const { path, port } = where;
    exchange.route = "proxy";
    authorize(principal, "sandbox:proxy");
    authorizeProxy(principal);
    const { id: sandboxId } = this.#o.selection.choose(where.labels, principal, port);
    exchange.selected = true;
    return this.serve(exchange, head, caller, { kind: "proxy", sandboxId, path, mount: "", port, route: null });
  }

  /** Relative links of a page at `/s/demo` would lead to its neighbours. */
  #toFolder(exchange: Exchange, head: Head, mount: string): undefined {
    this.#o.forwarding.responder.redirect(exchange, `${mount}/${head.target.slice(mount.length)}`);
  }

  #begin(
    exchange: Exchange,
    head: Head,
    principal: Principal,
    where: ProxyRoute,
    preflight: Receiver | null,
  ): Promise<void> | undefined {
    const recorded = this.#o.recorder.begin(exchange);
    if (recorded !== undefined) return recorded.then(() => this.#forward(exchange, head, principal, where, preflight));
    this.#forward(exchange, head, principal, where, preflight);
    return undefined;
  }

  #forward(exchange: Exchange, head: Head, principal: Principal, where: ProxyRoute, preflight: Receiver | null): void {
    const { path, port, route } = where;
    const sandbox = this.#o.admission.admit(exchange, principal, exchange.sandboxId, route);
    exchange.port = findPort(sandbox, port);
    const settings = this.#o.settings.of(sandbox, route);
    if (preflight !== null && settings.cors !== "passed") throw new GatewayError("AUTH_002");
    exchange.alike = route !== null && !route.stripPrefix;
    exchange.keepsPrefix = exchange.alike || (route === null && settings.keepPrefix === true);
    if (head.expectsContinue) exchange.res.writeContinue();
    if (sandbox.settings.sticky !== undefined) exchange.bond = this.#o.stickiness.bind(sandbox, exchange);
    const transformation = this.#o.transforms.of(settings);
    const timeouts = this.#o.timeouts.of(settings);
    const dispatch = new Dispatch({
      context: this.#o.dispatching,
      exchange,
      sandbox,
      outbound: outbound(exchange, head, { path, settings, transformation }, this.#o.forwarding),
      // Who trickles the answer to a preflight must not keep the slot.
      timeouts: preflight === null ? timeouts : { ...timeouts, wholeMs: timeouts.firstByteMs },
      receiver: preflight ?? new Forward(exchange, this.#o.forwarding, transformation?.response ?? null),
    });
    dispatch.start();
  }
}

/** Whether all of the mount is a folder. A route that keeps its prefix may be a page of the sandbox's, which says what it is. */
function isFolder({ route }: ProxyRoute): boolean {
  return route === null || route.stripPrefix;
}
