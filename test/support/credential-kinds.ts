import { randomBytes } from "node:crypto";
import { SignJWT } from "jose";
import { newApiKey } from "../../src/auth/api-key-text.ts";
import { linkText } from "../../src/auth/link-text.ts";
import { newSessionText } from "../../src/auth/session-text.ts";
import { tokenHash } from "../../src/auth/tokens/issue.ts";
import { ACTOR, type TestGateway } from "./gateway.ts";
import { SOMEBODY } from "./principal.ts";

/** Who a credential is for. */
interface Holder {
  readonly subject: string;
  readonly role: string;
  readonly sandboxes: readonly string[] | null;
}

const AGENT: Holder = { subject: "agent", role: "executor", sandboxes: null };

/** Every kind of credential keeps these promises, whatever it is made of. */
export interface Kind {
  readonly name: string;
  /** One that is good for `lifetimeMs`, and how it is revoked. */
  readonly issue: (gateway: TestGateway, lifetimeMs: number, holder?: Holder) => Promise<Credential>;
  /** It opens the sandbox `box` alone, whoever has it. */
  readonly isLink: boolean;
  /** Such a one as it would look if another gateway had made it. */
  readonly forged: () => Promise<Shown>;
}

/** Where it is shown: in fields, or in the URL. */
export interface Shown {
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: string;
}

interface Credential {
  readonly shown: Shown;
  /** What must not be seen by anybody else. */
  readonly secret: string;
  readonly revoke: () => Promise<unknown>;
}

function tokenKind(name: string, show: (token: string) => Shown): Kind {
  return {
    name,
    isLink: false,
    async issue({ verbs, feed }, lifetimeMs, holder = AGENT) {
      const issued = { ...holder, expiresInMs: lifetimeMs, operations: null };
      const { token, record } = await verbs.tokens.create(ACTOR, issued);
      return {
        shown: show(token),
        secret: token,
        revoke: async () => {
          await verbs.tokens.revoke(ACTOR, record.id);
          await feed.wake();
        },
      };
    },
    async forged() {
      const claims = new SignJWT({ role: "admin" }).setProtectedHeader({ alg: "HS256", typ: "JWT" });
      const token = await claims
        .setSubject("agent")
        .setIssuer("sandboxgw")
        .setAudience("sandboxgw")
        .setJti("tok_00000000000000000000")
        .setIssuedAt()
        .setExpirationTime("1h")
        .sign(new TextEncoder().encode("another gateway's key, of 32 bytes or more"));
      return show(token);
    },
  };
}

/** An opaque key, in either field. */
function apiKeyKind(name: string, show: (key: string) => Shown): Kind {
  return {
    name,
    isLink: false,
    async issue({ verbs, feed }, lifetimeMs, holder = AGENT) {
      const issued = { ...holder, expiresInMs: lifetimeMs, operations: null };
      const { token, record } = await verbs.tokens.create(ACTOR, { ...issued, form: "opaque" });
      await feed.wake();
      return {
        shown: show(token),
        secret: token,
        revoke: async () => {
          await verbs.tokens.revoke(ACTOR, record.id);
          await feed.wake();
        },
      };
    },
    forged: () => Promise.resolve(show(newApiKey())),
  };
}

/** A signed link, in the URL or in the cookie of its first use. */
function linkKind(name: string, show: (text: string) => Shown): Kind {
  const wanted = { sandboxId: "box", port: null, methods: null, path: "/", subject: "agent" };
  return {
    name,
    isLink: true,
    async issue({ verbs, feed }, lifetimeMs) {
      const { text, link } = await verbs.links.create(ACTOR, { ...wanted, expiresInMs: lifetimeMs });
      return {
        shown: show(text),
        secret: text,
        revoke: async () => {
          await verbs.links.revoke(ACTOR, link.id);
          await feed.wake();
        },
      };
    },
    forged: () => {
      const link = { ...wanted, id: "lnk_1", keyId: "lky_1", createdAt: 0, expiresAt: Date.now() + 60_000 };
      return Promise.resolve(show(linkText(randomBytes(32), link)));
    },
  };
}

/** A session, in its cookie; what a page of the gateway's own origin sends. */
function sessionKind(name: string, show: (text: string) => string): Kind {
  const shown = (text: string): Shown => ({
    headers: { cookie: show(`sandboxgw_session=${text}`), "sec-fetch-site": "same-origin" },
  });
  return {
    name,
    isLink: false,
    async issue({ verbs, feed, keys }, lifetimeMs, holder = AGENT) {
      const { id, text } = newSessionText();
      const principal = { ...SOMEBODY, ...holder, expiresAt: Date.now() + lifetimeMs };
      const hash = tokenHash(keys.tokenHashKey, text);
      const own = { id, hash, principal, secure: false, replaces: null, address: "127.0.0.1" };
      await verbs.sessions.open(ACTOR, own);
      await feed.wake();
      return {
        shown: shown(text),
        secret: text,
        revoke: async () => {
          await verbs.sessions.end(ACTOR, id, "killed");
          await feed.wake();
        },
      };
    },
    forged: () => Promise.resolve(shown(newSessionText().text)),
  };
}

/** All kinds that there are. */
export const KINDS: readonly Kind[] = [
  // An application can have set any of these.
  sessionKind(
    "a session in its cookie, among odd ones",
    (pair) => `a="1; ${pair.replace(/\..*/, ".x")}; b="é"; =; ${pair}; c=2"`,
  ),
  tokenKind("a token in Authorization", (token) => ({ headers: { authorization: `Bearer ${token}` } })),
  tokenKind("a token in X-Sandbox-Token", (token) => ({ headers: { "x-sandbox-token": token } })),
  apiKeyKind("an API key in Authorization", (key) => ({ headers: { authorization: `Bearer ${key}` } })),
  apiKeyKind("an API key in X-Sandbox-Token", (key) => ({ headers: { "x-sandbox-token": key } })),
  linkKind("a link in the URL", (text) => ({ query: `?sgw_link=${text}` })),
  linkKind("a link as a cookie", (text) => ({ headers: { cookie: `a="b; sandboxgw_link=${text}; c=d` } })),
];
