import { randomBytes } from "node:crypto";
import { SignJWT } from "jose";
import { describe, expect, it, onTestFinished } from "vitest";
import { linkText } from "../../src/auth/link-text.ts";
import { newSessionText } from "../../src/auth/session-text.ts";
import { tokenHash } from "../../src/auth/tokens/issue.ts";
import { newApiKey } from "../../src/auth/api-key-text.ts";
import { eventually } from "../support/eventually.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../support/gateway.ts";
import { SOMEBODY } from "../support/principal.ts";
import { startUpstream } from "../support/upstream.ts";

/** Every kind of credential keeps these promises, whatever it is made of. */
interface Kind {
  readonly name: string;
  /** One that is good for `lifetimeMs`, and how it is revoked. */
  readonly issue: (gateway: TestGateway, lifetimeMs: number) => Promise<Credential>;
  /** Such a one as it would look if another gateway had made it. */
  readonly forged: () => Promise<Shown>;
}

/** Where it is shown: in fields, or in the URL. */
interface Shown {
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
    async issue({ verbs, feed }, lifetimeMs) {
      const issued = { subject: "agent", role: "executor", expiresInMs: lifetimeMs, sandboxes: null, operations: null };
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
    async issue({ verbs, feed }, lifetimeMs) {
      const issued = { subject: "agent", role: "executor", expiresInMs: lifetimeMs, sandboxes: null, operations: null };
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
    async issue({ verbs, feed, keys }, lifetimeMs) {
      const { id, text } = newSessionText();
      const principal = { ...SOMEBODY, subject: "agent", expiresAt: Date.now() + lifetimeMs };
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

const KINDS: readonly Kind[] = [
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

describe.each(KINDS)("$name", ({ issue, forged }) => {
  const start = async (lifetimeMs = 3_600_000) => {
    const seen: string[] = [];
    const upstream = await startUpstream((req, res) => {
      seen.push(JSON.stringify([req.url, req.rawHeaders]));
      if (req.url === "/slow") res.write("first");
      else res.end("fine");
    });
    const gateway = await startTestGateway({ env: { TOKEN_CLOCK_SKEW: "0" } });
    await gateway.addSandbox("box", upstream);
    const credential = await issue(gateway, lifetimeMs);
    const call = ({ headers = {}, query = "" }: Shown, path = "/") =>
      fetch(`${gateway.url}/s/box${path}${query}`, { headers });
    return { gateway, credential, call, seen };
  };

  it("says who calls: in the record, and nothing of it to the sandbox", async () => {
    const { gateway, credential, call, seen } = await start();
    expect((await call(credential.shown)).status).toBe(200);
    expect(gateway.records().at(-1)).toMatchObject({ subject: "agent", sandbox: "box" });
    expect(JSON.stringify(gateway.allRecords())).not.toContain(credential.secret);
    expect(seen).toHaveLength(1);
    expect(seen[0]).not.toContain(credential.secret);
  });

  it("is refused like any other when it was altered, and like none when another gateway made it", async () => {
    const { credential, call, seen } = await start();
    const { shown, secret } = credential;
    const altered = JSON.stringify(shown).replace(secret, `${secret.slice(0, -8)}AAAAAAAA`);
    for (const other of [JSON.parse(altered) as Shown, await forged()]) {
      const response = await call(other);
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toContain('error="invalid_token"');
      expect(await response.text()).not.toContain(secret.slice(0, -8));
    }
    expect(seen).toEqual([]);
  });

  it("is refused from the next call on when it is revoked, also where it was known already", async () => {
    const { credential, call, seen } = await start();
    expect((await call(credential.shown)).status).toBe(200);
    await credential.revoke();
    expect((await call(credential.shown)).status).toBe(401);
    expect(seen).toHaveLength(1);
  });

  it("ends what is under way when it is revoked", async () => {
    const { credential, call } = await start();
    const { body } = await call(credential.shown, "/slow");
    const reader = body?.getReader();
    onTestFinished(async () => reader?.cancel().catch(() => undefined));
    await reader?.read();
    await credential.revoke();
    await expect(reader?.read()).rejects.toThrow(expect.any(Error));
  });

  it("is refused when its time is over, also where it was known already", async () => {
    const { credential, call } = await start(1_000);
    expect((await call(credential.shown)).status).toBe(200);
    await eventually("it is refused", async () => (await call(credential.shown)).status === 401);
  });

  it("is refused beside another one that says something else", async () => {
    const { gateway, credential, call, seen } = await start();
    const authorization = await gateway.authorization("admin");
    const other =
      credential.shown.headers?.["authorization"] === undefined
        ? { authorization }
        : { "x-sandbox-token": authorization.slice(7) };
    const response = await call({ ...credential.shown, headers: { ...credential.shown.headers, ...other } });
    expect(response.status).toBe(400);
    expect(seen).toEqual([]);
  });
});
