import { createHmac, createPublicKey } from "node:crypto";
import { expect, test } from "vitest";
import { loadConfig } from "../../../src/config/load.ts";
import { ACTOR, startTestGateway } from "../../support/gateway.ts";
import { eventually } from "../../support/eventually.ts";
import { type IdentityProvider, startIdentityProvider } from "../../support/identity-provider.ts";
import { startUpstream } from "../../support/upstream.ts";

const audience = { OIDC_AUDIENCE: "agents" };

async function gatewayOf(idp: IdentityProvider, env: Record<string, string> = {}) {
  const gateway = await startTestGateway({
    env: { AUTH_PROVIDER: "jwt,oidc", OIDC_ISSUER: `corp=${idp.issuer}`, ...audience, JWKS_COOLDOWN: "1h", ...env },
  });
  const ask = async (token: string, fields: Record<string, string> = {}) => {
    const headers = { authorization: `Bearer ${token}`, ...fields };
    const response = await fetch(`${gateway.url}/api/v1/sandboxes`, { headers });
    const { error } = (await response.json()) as { error?: { code: string; details: string } };
    return { status: response.status, code: error?.code, details: error?.details, headers: response.headers };
  };
  return { gateway, ask };
}

test("tokens of an identity provider are good, beside the gateway's own, and its subjects bear its name", async () => {
  const idp = await startIdentityProvider();
  const { gateway, ask } = await gatewayOf(idp);
  for (const algorithm of ["RS256", "ES256", "EdDSA"]) {
    idp.keys.length = 0;
    await idp.rotate(algorithm);
    const { gateway: other, ask: asking } = await gatewayOf(idp);
    expect(await asking(await idp.sign())).toMatchObject({ status: 200 });
    const subject = { subject: "corp:user-1", token_id: "corp:jti-1" };
    expect(other.records()).toMatchObject([subject]);
  }
  expect(await ask((await gateway.authorization()).slice(7))).toMatchObject({ status: 200 });
  expect(idp.asked.get("/.well-known/openid-configuration")).toBe(3);
});

test("a token without an id goes by its hash, and can be taken back by it, by its own id, and by its subject", async () => {
  const idp = await startIdentityProvider();
  const { gateway, ask } = await gatewayOf(idp);
  const tokens = [await idp.sign({ jti: undefined }), await idp.sign({ jti: "b" }), await idp.sign({ jti: "c" })];
  for (const token of tokens) expect(await ask(token)).toMatchObject({ status: 200 });
  const [{ token_id: id }] = gateway.records() as [{ token_id: string }];
  expect(id).toMatch(/^corp:[\w-]{43}$/);
  for (const [index, tokenId] of [id, "corp:b"].entries()) {
    await gateway.verbs.revocations.revokeForeign(ACTOR, { tokenId, expiresAt: null });
    await gateway.feed.wake();
    expect(await ask(tokens[index] as string)).toMatchObject({ status: 401, details: "Token has been revoked" });
  }
  const subject = { subject: "corp:user-1", issuedBefore: null };
  const later = await idp.sign({ jti: "d", iat: Math.floor(Date.now() / 1000) + 20 });
  await gateway.verbs.revocations.revokeSubject(ACTOR, subject);
  await gateway.feed.wake();
  expect(await ask(tokens[2] as string)).toMatchObject({ status: 401 });
  expect(await ask(later)).toMatchObject({ status: 200 });
});

const access = (...roles: unknown[]) => ({ role: undefined, realm_access: { roles } });

test("claims become roles as the map says, the first of it counts, and none without one", async () => {
  const idp = await startIdentityProvider();
  const { gateway, ask } = await gatewayOf(idp, {
    OIDC_ROLE_CLAIM: "realm_access.roles",
    OIDC_ROLE_MAP: "sandbox admins=admin, staff=viewer",
  });
  await ask(await idp.sign({ jti: "1", ...access("staff", "sandbox admins") }));
  await ask(await idp.sign({ jti: "2", sub: "b", ...access("staff", 7) }));
  expect(gateway.records().map(({ rule }) => rule)).toEqual(["role:admin", "role:viewer"]);
  for (const claims of [access(), access("admin"), access("staffs"), { realm_access: "staff" }, { role: "admin" }]) {
    const token = await idp.sign({ jti: "3", ...claims });
    expect(await ask(token)).toMatchObject({ status: 401, details: "Claim realm_access.roles stands for no role" });
  }
});

test("what is not the provider's, not for this gateway, or not in time is refused", async () => {
  const idp = await startIdentityProvider();
  const [other, stranger] = [await startIdentityProvider(), await startIdentityProvider()];
  const { ask } = await gatewayOf(idp, { OIDC_ISSUER: `corp=${idp.issuer}, lab=${other.issuer}` });
  expect(await ask(await idp.sign())).toMatchObject({ status: 200 });
  const jwk = idp.keys[0] as { n: string };
  const pem = createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "pem" });
  const [, body = ""] = (await idp.sign()).split(".");
  const head = Buffer.from(JSON.stringify({ alg: "HS256", kid: "key-RS256-0" })).toString("base64url");
  const confused = createHmac("sha256", pem).update(`${head}.${body}`).digest("base64url");
  const forms: Record<string, string> = {
    "another issuer's key under this one's name": await stranger.sign({ iss: idp.issuer }),
    "the other provider's key, this one's issuer": await other.sign({ iss: idp.issuer }),
    "an unknown issuer": await stranger.sign(),
    "another audience": await idp.sign({ aud: "somebody-else" }),
    "no audience": await idp.sign({ aud: undefined }),
    "no subject": await idp.sign({ sub: undefined }),
    "the public key as a shared secret": `${head}.${body}.${confused}`,
    "an unknown key": await idp.sign({}, { kid: "other" }),
    expired: await idp.sign({ exp: 1 }),
    "no end": await idp.sign({ exp: undefined }),
    "a key of its own": await idp.sign({}, { jwk: idp.keys[0] }),
  };
  const codes = await Promise.all(Object.entries(forms).map(async ([name, token]) => [name, (await ask(token)).code]));
  expect(codes).toEqual(Object.keys(forms).map((name) => [name, "AUTH_001"]));
});

test("while its keys cannot be had, callers are told so, and known keys and the gateway's own tokens go on", async () => {
  const idp = await startIdentityProvider();
  const { gateway, ask } = await gatewayOf(idp, { JWKS_URL: idp.jwksUrl, JWKS_COOLDOWN: "1s" });
  idp.answer = (res) => void res.writeHead(503).end();
  const token = await idp.sign();
  const refused = await ask(token);
  expect(refused).toMatchObject({ status: 503, code: "AUTH_009" });
  expect(refused.headers.get("retry-after")).toBe("1");
  expect(await ask((await gateway.authorization()).slice(7))).toMatchObject({ status: 200 });
  idp.answer = undefined;
  const isGood = async (): Promise<boolean> => (await ask(token)).status === 200;
  await eventually("it is asked again", isGood);
  idp.answer = (res) => void res.destroy();
  expect(await ask(await idp.sign({ jti: "another" }))).toMatchObject({ status: 200 });
  expect(idp.asked.has("/.well-known/openid-configuration")).toBe(false);
});

test("a provider's token beside another is no sandbox's to see when it is meant for this gateway", async () => {
  const idp = await startIdentityProvider();
  const { gateway } = await gatewayOf(idp);
  const seen: unknown[] = [];
  await gateway.addSandbox(
    "box",
    await startUpstream((req, res) => res.end(String(seen.push(req.headers.authorization)))),
  );
  const ours = (await gateway.authorization()).slice(7);
  const ask = async (token: string): Promise<number> => {
    const headers = { "x-sandbox-token": ours, authorization: `Bearer ${token}` };
    return (await fetch(`${gateway.url}/s/box/`, { headers })).status;
  };
  expect(await ask(await idp.sign({ exp: 1 }))).toBe(400);
  expect(await ask(await idp.sign({ aud: ["other", "agents"] }))).toBe(400);
  const theirs = await idp.sign({ aud: "the-application" });
  expect(await ask(theirs)).toBe(200);
  expect(seen).toEqual([`Bearer ${theirs}`]);
});

test("where the gateway's own tokens are not wanted they are refused", async () => {
  const idp = await startIdentityProvider();
  const { gateway, ask } = await gatewayOf(idp, { AUTH_PROVIDER: "oidc" });
  expect(await ask((await gateway.authorization()).slice(7))).toMatchObject({ status: 401, details: "Wrong issuer" });
  expect(await ask(await idp.sign())).toMatchObject({ status: 200 });
});

test.each([
  [{ OIDC_ISSUER: "" }, /needs OIDC_ISSUER/],
  [{ OIDC_AUDIENCE: "" }, /needs OIDC_AUDIENCE/],
  [{ JWKS_URL: "https://a.example/1, https://a.example/2" }, /2 addresses for 1 issuers/],
  [{ OIDC_ISSUER: "http://idp.example" }, /not an https address/],
  [{ OIDC_ISSUER: "https://user@idp.example" }, /no user/],
  [{ OIDC_ISSUER: "https://idp.example/a, https://idp.example/b" }, /same name/],
  [{ OIDC_ROLE_MAP: "admin" }, /value=role/],
  [{ AUTH_PROVIDER: "oauth" }, /not one of/],
  [{ TOKEN_ISSUER: "https://idp.example" }, /TOKEN_ISSUER is the same/],
])("a configuration that cannot be meant so is refused: %j", (wrong, why) => {
  const env = { AUTH_PROVIDER: "jwt,oidc", OIDC_ISSUER: "https://idp.example", ...audience, ...wrong };
  expect(() => loadConfig({ env, cwd: "/" })).toThrow(
    expect.objectContaining({ code: "GW_012", details: expect.stringMatching(why) }),
  );
});
