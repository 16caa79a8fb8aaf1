import { expect, test } from "vitest";
import { KeyDocuments } from "../../../src/auth/oidc/key-documents.ts";
import { ProviderKeys } from "../../../src/auth/oidc/provider-keys.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { startIdentityProvider } from "../../support/identity-provider.ts";

const COOLDOWN = 30_000;

async function documents() {
  const idp = await startIdentityProvider();
  const env = { OIDC_ISSUER: `corp=${idp.issuer}`, JWKS_URL: idp.jwksUrl, JWKS_COOLDOWN: "30s" };
  const { config } = loadConfig({ env, cwd: "/" });
  const clock = { at: 0 };
  const turns: (string | null)[] = [];
  const source = new KeyDocuments({
    config,
    onTurn: (_issuer, trouble) => void turns.push(trouble),
    now: () => clock.at,
  });
  return { idp, config, clock, turns, source, fetches: () => idp.asked.get("/jwks") ?? 0 };
}

test("however many threads ask, the provider is asked once a cooldown", async () => {
  const { idp, clock, source, fetches } = await documents();
  const read = () => source.readKeys(idp.issuer);
  const threads = Array.from({ length: 4 }, () => {
    return new ProviderKeys({ read, ttlMs: 1e6, staleMs: 1e6, cooldownMs: COOLDOWN, now: () => clock.at });
  });
  const unknown = () => Promise.all(threads.map((thread) => thread.find("unknown")));
  await unknown();
  expect(fetches()).toBe(1);
  clock.at += COOLDOWN - 1;
  await unknown();
  expect(fetches()).toBe(1);
  clock.at += 1;
  await unknown();
  expect(fetches()).toBe(2);
});

test("a thread that comes late gets what is known, and knows its age, while the provider is down", async () => {
  const { idp, clock, turns, source } = await documents();
  const { text } = await source.readKeys(idp.issuer);
  expect(JSON.parse(text ?? "")).toEqual({ keys: idp.keys });
  idp.answer = (res) => void res.writeHead(500).end();
  clock.at += COOLDOWN;
  const late = { text, ageMs: COOLDOWN, askedMs: 0, trouble: "status 500" };
  expect(await source.readKeys(idp.issuer)).toEqual(late);
  clock.at += 5;
  expect(await source.readKeys(idp.issuer)).toEqual({ ...late, ageMs: COOLDOWN + 5, askedMs: 5 });
  idp.answer = (res) => void res.end("<html>");
  clock.at += COOLDOWN;
  expect(await source.readKeys(idp.issuer)).toMatchObject({ text });
  idp.answer = undefined;
  clock.at += COOLDOWN;
  expect(await source.readKeys(idp.issuer)).toEqual({ text, ageMs: 0, askedMs: 0, trouble: null });
  expect(turns).toEqual(["status 500", null]);
});

test("of a provider that is not configured nothing is asked", async () => {
  const { source } = await documents();
  expect(await source.readKeys("https://other.example")).toMatchObject({ text: null, trouble: expect.any(String) });
});
