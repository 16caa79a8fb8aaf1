import type { Caller } from "../../../auth/caller.ts";
import type { SessionCredential } from "../../../auth/credentials/session.ts";
import { LINK_PARAMETER } from "../../../auth/link-text.ts";
import { PASS_PARAMETER, sessionCookie } from "../../../auth/session-text.ts";
import { Standing } from "../../../auth/standing.ts";
import { maySee, type Principal } from "../../../domain/principal.ts";
import { isHostLabel } from "../../../domain/sandbox.ts";
import type { Snapshot } from "../../../domain/snapshot/snapshot.ts";
import { GatewayError } from "../../../errors.ts";
import type { Exchange } from "../../request/exchange.ts";
import type { Head } from "../../request/head.ts";
import { wantsPage } from "../../request/pages/navigation.ts";
import type { Responder } from "../../request/respond.ts";
import { hostLabel, type HostSuffix } from "../host.ts";
import type { ProxyRoute } from "../router.ts";

export interface HostFormOptions {
  readonly credential: SessionCredential;
  readonly suffix: HostSuffix;
  readonly snapshot: () => Snapshot;
  readonly responder: Responder;
}

const PORT = /:\d+$/;
const PORT_FIRST = /^\d{1,5}-/;

/**
 * By path all sandboxes are one origin to a browser, whose pages can do to each other what they like. So what a session opens
 * by path is sent to the sandbox's own host; the session goes along, as one that opens that sandbox alone.
 */
export class HostForm {
  readonly #o: HostFormOptions;

  constructor(options: HostFormOptions) {
    this.#o = options;
  }

  /**
   * Sends the browser to the sandbox's host, when it opens a page by path with what others can make it show: a session, a link
   * (which goes along as it is). False: it is nothing of the kind.
   * @throws GatewayError AUTH_011 for other pages by path, and whatever else a session does there.
   */
  sends(exchange: Exchange, head: Head, { principal }: Caller, where: ProxyRoute): boolean {
    const { sandboxId, mount, path, port } = where;
    const isSession = principal.credential === "session";
    const isPage = wantsPage(exchange);
    if (mount === "" || !(isSession || (principal.scope !== null && isPage))) return false;
    const goesAlong = this.#goesAlong(head, principal, sandboxId);
    if (!isHostLabel(sandboxId) || exchange.method !== "GET" || !isPage || goesAlong === undefined) {
      throw new GatewayError("AUTH_011", {
        details: isHostLabel(sandboxId)
          ? "By path all sandboxes are one origin: browsers call them at their own hosts"
          : "By path all sandboxes are one origin, and this one's id cannot be a host",
        remediation: "Open the sandbox's page, which leads there, or set BROWSER_HOST_FORM=false",
      });
    }
    // What is not there looks like what is not the caller's: to be told so, no host is needed.
    if (!this.#o.snapshot().sandboxes.get(sandboxId) || !maySee(principal, sandboxId))
      throw new GatewayError("ROUTE_001");
    exchange.route = "proxy";
    exchange.sandboxId = sandboxId;
    exchange.decision = "allow";
    exchange.rule = `role:${principal.role}`;
    const label = port === null ? sandboxId : `${port}-${sandboxId}`;
    const host = `${label}${this.#o.suffix}${PORT.exec(head.host)?.[0] ?? ""}`;
    const query = `${path.includes("?") ? "&" : "?"}${goesAlong}`;
    this.#to(exchange, `${exchange.scheme}://${host}${path}${query}`, []);
    return true;
  }

  /**
   * Takes a session in that comes to a sandbox's host: gives it the cookie of that host, where the browser has none that is
   * good, and sends it to the URL without the pass. False: this is no sandbox's host, or no page is asked for.
   * @throws GatewayError AUTH_001 when the pass is not good, or not any more.
   */
  takes(exchange: Exchange, head: Head): boolean {
    const label = hostLabel(head.host, this.#o.suffix);
    if (label === undefined || exchange.method !== "GET" || exchange.offer !== null) return false;
    const sandboxId = label.replace(PORT_FIRST, "");
    const { credential, snapshot } = this.#o;
    exchange.route = "proxy";
    exchange.sandboxId = sandboxId;
    const arrived = credential.arrived(head.pass as string, sandboxId, snapshot(), Date.now());
    if (arrived === undefined || arrived.session.secure !== (exchange.scheme === "https")) {
      throw new GatewayError("AUTH_001", {
        details: "The way here from the gateway's own host took too long, or the session has ended",
        remediation: "Open the sandbox there again",
      });
    }
    const { principal, session, text } = arrived;
    exchange.standing = new Standing(principal);
    exchange.decision = "allow";
    exchange.rule = `role:${principal.role}`;
    const seconds = Math.max(1, Math.floor((session.expiresAt - Date.now()) / 1000));
    // Whoever has a session of his own could send another's browser here with it: a good one is not exchanged.
    const hasOne = credential.find(head, snapshot()) !== undefined;
    const cookie = hasOne ? [] : ["set-cookie", sessionCookie(text, { secure: session.secure, seconds })];
    this.#to(exchange, `${exchange.scheme}://${head.host}${head.target}`, cookie);
    return true;
  }

  /** What the caller shows at the host, as a query; undefined where there is nothing that it could. */
  #goesAlong({ link }: Head, { credential, tokenId }: Principal, sandboxId: string): string | undefined {
    if (credential === "session") {
      return `${PASS_PARAMETER}=${this.#o.credential.pass(tokenId, sandboxId, Date.now())}`;
    }
    return link === undefined ? undefined : `${LINK_PARAMETER}=${link}`;
  }

  #to(exchange: Exchange, location: string, fields: readonly string[]): void {
    const own = ["cache-control", "no-store", "referrer-policy", "no-referrer"];
    this.#o.responder.fields(exchange, 303, ["location", location, ...own, ...fields]);
  }
}
