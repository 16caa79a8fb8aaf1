import type { Caller } from "../../auth/caller.ts";
import { authorize, authorizeHttp, authorizeProxy, findPort } from "../../auth/authorize.ts";
import type { Transformation } from "../../domain/transform/transformation.ts";
import { GatewayError } from "../../errors.ts";
import type { Selection } from "../balance/selection.ts";
import type { Stickiness } from "../balance/stickiness/stickiness.ts";
import type { DispatchContext } from "../dispatch/context.ts";
import { Dispatch } from "../dispatch/dispatch.ts";
import type { Receiver } from "../dispatch/receiver.ts";
import { type TimeoutsBySettings, totalOf } from "../dispatch/timeouts.ts";
import type { Tunnels } from "../../limits/tunnels/tunnels.ts";
import { policyFields } from "../forward/cors/policy.ts";
import { Forward, type ForwardContext, outbound } from "../forward/forward.ts";
import { type Prepared, prepareBody } from "../forward/transform/prepare.ts";
import { TransformedAnswer } from "../forward/transform/transformed-answer.ts";
import type { Transforms } from "../forward/transform/transforms.ts";
import type { Exchange } from "../request/exchange.ts";
import type { Head } from "../request/head.ts";
import { wantsPage } from "../request/pages/navigation.ts";
import { checkBodyLength } from "../request/read-body.ts";
import type { Recorder } from "../request/record.ts";
import type { Admission } from "./admit.ts";
import type { EffectiveSettings } from "./custom/effective-settings.ts";
import { firstUse } from "./links/first-use.ts";
import type { ProxyRoute, SelectRoute } from "./router.ts";
import { checkScope } from "./links/scope.ts";

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

/** How a call is changed: what it began with holds to its end. */
interface Changing {
  readonly transformation: Transformation;
  readonly prepared: Prepared | null;
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
    const { principal, standing } = caller;
    const { sandboxId, mount } = where;
    exchange.route = "proxy";
    exchange.sandboxId = sandboxId;
    exchange.port = where.port;
    exchange.mount = mount;
    authorize(standing, "sandbox:proxy");
    authorizeProxy(principal);
    const sandbox = this.#o.admission.find(standing, "sandbox:proxy", sandboxId, exchange.address);
    exchange.port = findPort(sandbox, where.port);
    const rule = authorizeHttp(standing, sandbox, exchange.method, exchange.port);
    this.#o.admission.count(exchange, caller, sandbox, null);
    if (principal.scope !== null) {
      checkScope(principal.scope, { sandboxId, port: exchange.port, method: exchange.method, path: where.path });
      if (head.link !== undefined && exchange.method === "GET" && wantsPage(exchange)) {
        exchange.decision = "allow";
        exchange.rule = rule;
        this.#o.forwarding.responder.fields(exchange, 303, firstUse(exchange, head, principal.expiresAt));
        return undefined;
      }
    }
    const settings = this.#o.settings.of(sandbox, where.route);
    if (settings.cors === "gateway") exchange.cors = policyFields(settings, exchange.field("origin"));
    // An upgrade is never sent elsewhere: no client would follow.
    const isAlone = mount !== "" && head.target.charCodeAt(mount.length) !== SLASH;
    if (isAlone && exchange.offer === null && isFolder(where)) {
      exchange.decision = "allow";
      exchange.rule = rule;
      return this.#toFolder(exchange, head, mount);
    }
    checkBodyLength(head.bodyLength, this.#o.maxBodySize);
    const { totalMs } = this.#o.timeouts.of(settings);
    exchange.endBy = exchange.startedAt + totalOf(head.requestTimeout, totalMs);
    if (exchange.offer !== null) {
      exchange.tunnel = this.#o.tunnels.claim(caller.rateKey, sandboxId, sandbox.settings.maxTunnels);
    }
    const waiting = this.#o.admission.enter(exchange, caller, sandbox, settings);
    const transformation = this.#o.transforms.of(settings);
    if (transformation !== null) {
      // Nothing is read of who has not shown a token.
      const prepared = this.#prepared(waiting, exchange, head, { transformation, reads: preflight === null });
      return prepared.then((change) => this.#begin(exchange, head, caller, where, preflight, change));
    }
    if (waiting !== undefined) return waiting.then(() => this.#begin(exchange, head, caller, where, preflight, null));
    return this.#begin(exchange, head, caller, where, preflight, null);
  }

  /** The same for whichever sandbox has the labels: the answer tells which one it was. */
  serveSelected(exchange: Exchange, head: Head, caller: Caller, where: SelectRoute): Promise<void> | undefined {
    const { principal, standing } = caller;
    const { path, port } = where;
    exchange.route = "proxy";
    authorize(standing, "sandbox:proxy");
    authorizeProxy(principal);
    const { id: sandboxId } = this.#o.selection.choose(where.labels, {
      principal,
      rights: standing.rights,
      method: exchange.method,
      port,
    });
    exchange.selected = true;
    return this.serve(exchange, head, caller, { kind: "proxy", sandboxId, path, mount: "", port, route: null });
  }

  /** Relative links of a page at `/s/demo` would lead to its neighbours. */
  #toFolder(exchange: Exchange, head: Head, mount: string): undefined {
    this.#o.forwarding.responder.redirect(exchange, `${mount}/${head.target.slice(mount.length)}`);
  }

  /** A body that is transformed is read before the call is recorded as begun: what cannot be is never sent. */
  async #prepared(
    waiting: Promise<void> | undefined,
    exchange: Exchange,
    head: Head,
    { transformation, reads }: { transformation: Transformation; reads: boolean },
  ): Promise<Changing> {
    await waiting;
    const { body } = transformation.request;
    const hasBody = head.bodyLength !== 0 && exchange.offer === null;
    if (body === null || !hasBody || !reads) return { transformation, prepared: null };
    return { transformation, prepared: await prepareBody(exchange, head, body, this.#o.forwarding) };
  }

  #begin(
    exchange: Exchange,
    head: Head,
    caller: Caller,
    where: ProxyRoute,
    preflight: Receiver | null,
    change: Changing | null,
  ): Promise<void> | undefined {
    const recorded = this.#o.recorder.begin(exchange);
    if (recorded === undefined) this.#forward(exchange, head, caller, where, preflight, change);
    return recorded?.then(() => this.#forward(exchange, head, caller, where, preflight, change));
  }

  #forward(
    exchange: Exchange,
    head: Head,
    caller: Caller,
    where: ProxyRoute,
    preflight: Receiver | null,
    change: Changing | null,
  ): void {
    const transformation = change === null ? null : change.transformation;
    const prepared = change === null ? null : change.prepared;
    const { path, port, route } = where;
    const sandbox = this.#o.admission.admit(exchange, caller, "sandbox:proxy", exchange.sandboxId, route);
    exchange.port = findPort(sandbox, port);
    exchange.rule = authorizeHttp(caller.standing, sandbox, exchange.method, exchange.port);
    const settings = this.#o.settings.of(sandbox, route);
    if (preflight !== null && settings.cors !== "passed") throw new GatewayError("AUTH_002");
    exchange.alike = route !== null && !route.stripPrefix;
    exchange.keepsPrefix = exchange.alike || (route === null && settings.keepPrefix === true);
    if (head.expectsContinue && prepared === null) exchange.res.writeContinue();
    if (sandbox.settings.sticky !== undefined) exchange.bond = this.#o.stickiness.bind(sandbox, exchange);
    const timeouts = this.#o.timeouts.of(settings);
    const dispatch = new Dispatch({
      context: this.#o.dispatching,
      exchange,
      sandbox,
      outbound: outbound(exchange, head, { path, settings, transformation, prepared }, this.#o.forwarding),
      // Who trickles the answer to a preflight must not keep the slot.
      timeouts: preflight === null ? timeouts : { ...timeouts, wholeMs: timeouts.firstByteMs },
      receiver: preflight ?? this.#receiver(exchange, transformation),
    });
    dispatch.start();
  }

  #receiver(exchange: Exchange, transformation: Transformation | null): Receiver {
    const forward = new Forward(exchange, this.#o.forwarding, transformation?.response ?? null);
    const change = transformation?.response.body ?? null;
    if (change === null || exchange.offer !== null) return forward;
    const { mappers, bodyMemory } = this.#o.forwarding;
    return new TransformedAnswer(forward, { exchange, change, mappers, bodyMemory });
  }
}

/** Whether all of the mount is a folder. A route that keeps its prefix may be a page of the sandbox's, which says what it is. */
function isFolder({ route }: ProxyRoute): boolean {
  return route === null || route.stripPrefix;
}
