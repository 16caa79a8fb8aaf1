import { exportJWK, generateKeyPair } from "jose";
import { expect, test } from "vitest";
import { ProviderKeys } from "../../../src/auth/oidc/provider-keys.ts";

const COOLDOWN = 30_000;
const TTL = 600_000;
const STALE = 86_400_000;

const jwk = async (kid: string) => ({ ...(await exportJWK((await generateKeyPair("EdDSA")).publicKey)), kid });
const names = (from: number) => Array.from({ length: 5_000 }, (_, index) => `unknown-${from + index}`);

async function provider() {
  const state = {
    at: 0,
    fetches: 0,
    down: false,
    text: null as string | null,
    readAt: 0,
    keys: [await jwk("a")] as object[],
  };
  const keys = new ProviderKeys({
    async read() {
      state.fetches += 1;
      if (!state.down) state.text = JSON.stringify({ keys: state.keys });
      if (!state.down) state.readAt = state.at;
      const trouble = state.down ? "connection refused" : null;
      return { text: state.text, ageMs: state.at - state.readAt, askedMs: 0, trouble };
    },
    ttlMs: TTL,
    staleMs: STALE,
    cooldownMs: COOLDOWN,
    now: () => state.at,
  });
  return { state, keys };
}

test("10,000 unknown names cost one question a cooldown, at once or one after the other", async () => {
  const { state, keys } = await provider();
  expect(await Promise.all(names(0).map((kid) => keys.find(kid)))).toEqual(names(0).map(() => undefined));
  expect(state.fetches).toBe(1);
  for (const kid of names(5_000)) await keys.find(kid);
  expect(state.fetches).toBe(1);
  state.at += COOLDOWN;
  await Promise.all(names(0).map((kid) => keys.find(kid)));
  expect(state.fetches).toBe(2);
});

test("a new key is found with the first token that names it, when the cooldown is over", async () => {
  const { state, keys } = await provider();
  expect(await keys.find("a")).toMatchObject({ id: "a", algorithm: "EdDSA" });
  state.keys.push(await jwk("b"));
  expect(await keys.find("b")).toBeUndefined();
  state.at += COOLDOWN;
  expect(await keys.find("b")).toMatchObject({ id: "b" });
});

test("known keys go on while the provider is down, up to their limit; of unknown ones nobody knows", async () => {
  const { state, keys } = await provider();
  await keys.find("a");
  state.down = true;
  state.at += TTL + 1;
  expect(await keys.find("a")).toMatchObject({ id: "a" }); // asks in the background
  await expect(keys.find("b")).rejects.toMatchObject({ code: "AUTH_009", retryAfter: 30 });
  expect(state.fetches).toBe(2);
  state.at = STALE;
  expect(await keys.find("a")).toMatchObject({ id: "a" });
  state.at += 1;
  await expect(keys.find("a")).rejects.toMatchObject({ code: "AUTH_009" });
  state.down = false;
  state.at += COOLDOWN;
  expect(await keys.find("a")).toMatchObject({ id: "a" });
  expect(await keys.find("b")).toBeUndefined();
});

test("a key that was taken out is good no more once the others have been read anew", async () => {
  const { state, keys } = await provider();
  await keys.find("a");
  state.keys = [await jwk("c")];
  state.at += TTL + 1;
  await keys.find("a");
  expect(await keys.find("c")).toMatchObject({ id: "c" });
  expect(await keys.find("a")).toBeUndefined();
});
