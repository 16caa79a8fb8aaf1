import { SignJWT } from "jose";
import { describe, expect, it, onTestFinished } from "vitest";
import { newApiKey } from "../../src/auth/api-key-text.ts";
import { eventually } from "../support/eventually.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../support/gateway.ts";
import { startUpstream } from "../support/upstream.ts";

/** Every kind of credential keeps these promises, whatever it is made of. */
interface Kind {
  readonly name: string;
  /** One that is good for `lifetimeMs`, and how it is revoked. */
  readonly issue: (gateway: TestGateway, lifetimeMs: number) => Promise<Credential>;
  /** Such a one as it would look if another gateway had made it. */
  readonly forged: () => Promise<Shown>;
}

/** The fields in which it is shown. */
type Shown = Readonly<Record<string, string>>;

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

const KINDS: readonly Kind[] = [
  tokenKind("a token in Authorization", (token) => ({ authorization: `Bearer ${token}` })),
  tokenKind("a token in X-Sandbox-Token", (token) => ({ "x-sandbox-token": token })),
  apiKeyKind("an API key in Authorization", (key) => ({ authorization: `Bearer ${key}` })),
  apiKeyKind("an API key in X-Sandbox-Token", (key) => ({ "x-sandbox-token": key })),
];

describe.each(KINDS)("$name", ({ issue, forged }) => {
  const start = async (lifetimeMs = 3_600_000) => {
    const seen: string[] = [];
    const upstream = await startUpstream((req, res) => {
      seen.push(JSON.stringify([req.url, req.rawHeaders]));
      res.end("fine");
    });
    const gateway = await startTestGateway({ env: { TOKEN_CLOCK_SKEW: "0" } });
    await gateway.addSandbox("box", upstream);
    const credential = await issue(gateway, lifetimeMs);
    const call = (headers: Shown) => fetch(`${gateway.url}/s/box/`, { headers });
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
    const [[name, value] = ["", ""]] = Object.entries(credential.shown);
    const altered = { [name]: `${value.slice(0, -8)}AAAAAAAA` };
    for (const shown of [altered, await forged()]) {
      const response = await call(shown);
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toContain('error="invalid_token"');
      expect(await response.text()).not.toContain(Object.values(shown)[0]);
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
    const { gateway, credential } = await start();
    const upstream = await startUpstream((_req, res) => void res.write("first"));
    await gateway.addSandbox("slow", upstream);
    const { body } = await fetch(`${gateway.url}/s/slow/`, { headers: credential.shown });
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
      "authorization" in credential.shown ? { "x-sandbox-token": authorization.slice(7) } : { authorization };
    const response = await call({ ...credential.shown, ...other });
    expect(response.status).toBe(400);
    expect(seen).toEqual([]);
  });
});
