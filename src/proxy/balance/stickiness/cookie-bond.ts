import type { Instance, Sandbox } from "../../../domain/sandbox.ts";
import type { Bond } from "../../request/exchange.ts";
import type { Binding, CookieTokens } from "./cookie-token.ts";

/** Cookies of the name that are looked at: scripts of a neighbour on the same origin can put others before the gateway's. */
const MOST_COOKIES = 8;

export interface CookieBondOptions {
  readonly sandbox: Sandbox;
  /** The client's Cookie field. */
  readonly sent: string | undefined;
  readonly name: string;
  /** Where the client sees the sandbox: the beginning of its paths; empty when that is the whole origin. */
  readonly mount: string;
  readonly scheme: "http" | "https";
  readonly ttlSeconds: number;
  /** Seconds since the epoch. */
  readonly now: number;
}

/** Binds a request by a cookie of the gateway's, which is given when there is none, renewed past half its time, and moved. */
export class CookieBond implements Bond {
  readonly instance: Instance | undefined;
  cookie: string | null = null;
  readonly #tokens: CookieTokens;
  readonly #o: CookieBondOptions;
  /** What the client has. */
  readonly #binding: Binding | undefined;

  constructor(tokens: CookieTokens, options: CookieBondOptions) {
    this.#tokens = tokens;
    this.#o = options;
    this.#binding = this.#open();
    const { instanceId } = this.#binding ?? {};
    this.instance = options.sandbox.instances.find(({ id }) => id === instanceId);
  }

  first(): undefined {
    return undefined;
  }

  tie(instance: Instance): void {
    const { sandbox, name, mount, scheme, ttlSeconds, now } = this.#o;
    const left = (this.#binding?.until ?? 0) - now;
    if (this.#binding?.instanceId === instance.id && left > ttlSeconds / 2 && left <= ttlSeconds) return;
    const token = this.#tokens.seal(sandbox.id, { instanceId: instance.id, until: now + ttlSeconds });
    const secure = scheme === "https" ? "; Secure" : "";
    this.cookie = `${name}=${token}; Path=${mount}/; Max-Age=${ttlSeconds}; HttpOnly; SameSite=Lax${secure}`;
  }

  #open(): Binding | undefined {
    const { sandbox, sent, name, now } = this.#o;
    if (sent === undefined || !sent.includes(name)) return undefined;
    let seen = 0;
    for (const pair of sent.split(";")) {
      const at = pair.indexOf("=");
      if (at < 0 || pair.slice(0, at).trim() !== name) continue;
      const binding = this.#tokens.open(pair.slice(at + 1).trim(), sandbox.id, now);
      seen += 1;
      if (binding !== undefined || seen === MOST_COOKIES) return binding;
    }
    return undefined;
  }
}
