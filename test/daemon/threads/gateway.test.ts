import { expect, onTestFinished, test } from "vitest";
import { activeSigner } from "../../../src/auth/keys/key-ring.ts";
import { issueToken } from "../../../src/auth/tokens/issue.ts";
import { eventually } from "../../support/eventually.ts";
import { ACTOR, startTestGateway } from "../../support/gateway.ts";
import { startUpstream } from "../../support/upstream.ts";

test("a revoked token stays revoked across a resync for as long as clocks may be off, also after it has expired", async () => {
  const { url, config, keys, store, verbs, feed } = await startTestGateway({ env: { TOKEN_CLOCK_SKEW: "60s" } });
  const { record } = await verbs.tokens.create(ACTOR, {
    subject: "short",
    role: "executor",
    expiresInMs: 1000,
    sandboxes: null,
    operations: null,
  });
  // The same token as if it had been made a while ago: it expired seconds ago, and is still accepted.
  const expiresAt = Math.floor(Date.now() / 1000 - 5) * 1000;
  const old = { ...record, id: "tok_old", hash: "old", createdAt: expiresAt - 1000, expiresAt };
  await store.transaction(({ tokens }) => tokens.create(old));
  const token = await issueToken({
    principal: { subject: "short", role: "executor", tokenId: old.id, sandboxes: null, operations: null },
    key: await activeSigner(keys, store.signingKeys),
    issuer: config.TOKEN_ISSUER,
    audience: config.TOKEN_AUDIENCE,
    expiresAt,
    now: old.createdAt,
  });
  const status = async () =>
    (await fetch(`${url}/api/v1/sandboxes`, { headers: { authorization: `Bearer ${token}` } })).status;
  expect(await status()).toBe(200);
  await verbs.tokens.revoke(ACTOR, old.id);
  await feed.wake();
  expect(await status()).toBe(401);
  await feed.resync();
  expect(await status()).toBe(401);
});

test("when an API key was last used is written back, and before who is known is forgotten; of a signed token it is not kept", async () => {
  const gateway = await startTestGateway();
  const { store, verbs, feed, url, config } = gateway;
  const issued = { subject: "agent", role: "executor", expiresInMs: null, sandboxes: null, operations: null };
  const { token: key, record } = await verbs.tokens.create(ACTOR, { ...issued, form: "opaque" });
  const signed = await verbs.tokens.create(ACTOR, issued);
  await feed.wake();
  const before = Date.now();
  for (const token of [key, signed.token]) {
    const { status } = await fetch(`${url}/api/v1/sandboxes`, { headers: { authorization: `Bearer ${token}` } });
    expect(status).toBe(200);
  }
  gateway.gateway.reconfigure(config);
  await eventually("it is written", async () => (await store.tokens.find(record.id))?.lastUsedAt !== null);
  expect((await store.tokens.find(record.id))?.lastUsedAt).toBeGreaterThanOrEqual(before);
  expect((await store.tokens.find(signed.record.id))?.lastUsedAt).toBeNull();
});

test("when a session was last used is written back, and it is used as long as something of it is open", async () => {
  const gateway = await startTestGateway();
  const { store, url, config } = gateway;
  await gateway.addSandbox("box", await startUpstream((_req, res) => void res.write("first")));
  const authorization = await gateway.authorization();
  const opened = await fetch(`${url}/api/v1/session`, { method: "POST", headers: { authorization } });
  const { session_id: id } = (await opened.json()) as { session_id: string };
  const cookie = opened.headers.getSetCookie()[0]?.split(";")[0] ?? "";
  const { body } = await fetch(`${url}/s/box/`, { headers: { cookie, "sec-fetch-site": "same-origin" } });
  onTestFinished(() => body?.cancel());
  const lastUse = async () => (await store.sessions.find(id))?.lastUsedAt ?? 0;
  const told = async (since: number) => {
    gateway.gateway.reconfigure(config);
    await eventually("it is written", async () => (await lastUse()) > since);
  };
  await told((await lastUse()) - 1);
  const before = Date.now();
  await eventually("time goes by", () => Date.now() > before);
  await told(before);
  expect(await lastUse()).toBeLessThanOrEqual(Date.now());
});
