import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { expect, test } from "vitest";
import { ACTOR, startTestGateway } from "../../support/gateway.ts";

const DAY = 86_400_000;

test("the public keys that verify are shown to everybody, nothing of the others, and whoever has them can check tokens", async () => {
  const gateway = await startTestGateway();
  const { url, verbs, feed, store } = gateway;
  const page = `${url}/.well-known/jwks.json`;
  const read = async () => (await (await fetch(page)).json()) as JSONWebKeySet;
  expect(await read()).toEqual({ keys: [] });
  const tokens = [];
  for (const algorithm of ["EdDSA", "ES256", "RS256"] as const) {
    await verbs.keys.rotate(ACTOR, { algorithm, overlapMs: DAY });
    await feed.wake();
    tokens.push((await gateway.authorization()).replace("Bearer ", ""));
  }
  const response = await fetch(page);
  expect(response.headers.get("cache-control")).toBe("public, max-age=300");
  const set = (await response.json()) as JSONWebKeySet;
  expect(set.keys.map(({ kty, alg, use }) => [kty, alg, use])).toEqual(
    expect.arrayContaining([
      ["OKP", "EdDSA", "sig"],
      ["EC", "ES256", "sig"],
      ["RSA", "RS256", "sig"],
    ]),
  );
  for (const key of set.keys) {
    for (const secret of ["d", "p", "q", "dp", "dq", "qi", "k", "sealed"]) expect(key).not.toHaveProperty(secret);
  }
  for (const token of tokens) {
    const { payload } = await jwtVerify(token, createLocalJWKSet(set));
    expect(payload.sub).toBe("test-executor");
  }
  const [, old] = await store.signingKeys.list();
  await verbs.keys.retire(ACTOR, old?.id as string);
  await feed.wake();
  expect((await read()).keys.map(({ kid }) => kid)).not.toContain(old?.id);
  expect((await fetch(page, { method: "HEAD" })).status).toBe(200);
  expect((await fetch(page, { method: "POST" })).status).toBe(405);
});
