import { describe, expect, test } from "vitest";
import { Authenticator } from "../../src/auth/authenticate.ts";
import type { Caller } from "../../src/auth/caller.ts";
import type { CredentialFields, CredentialKind } from "../../src/auth/credentials/credential.ts";
import { TokenCredential } from "../../src/auth/credentials/token.ts";
import { rateKey } from "../../src/limits/rate/rate-limit.ts";
import { sketchKey } from "../../src/limits/sketch.ts";
import type { Principal } from "../../src/domain/principal.ts";
import { type Snapshot, snapshotFrom } from "../../src/domain/snapshot/snapshot.ts";
import { GatewayError } from "../../src/errors.ts";
import { SOMEBODY } from "../support/principal.ts";
import { NO_STATE } from "../support/snapshot.ts";

const START = 1_800_000_000_000;
const MINUTE = 60_000;

let revision = 0;

function snapshotWith(...revoked: string[]): Snapshot {
  const entries = revoked.map((tokenId) => ({ tokenId, expiresAt: START + MINUTE }));
  revision += 1;
  return snapshotFrom({ ...NO_STATE, revision, revoked: entries });
}

const NOTHING_REVOKED = snapshotWith();

const NOTHING_SHOWN: CredentialFields = {
  authorization: undefined,
  sandboxToken: undefined,
  cookie: undefined,
  link: undefined,
  ticket: undefined,
  certificate: undefined,
};

const fields = (authorization: string | undefined): CredentialFields => ({ ...NOTHING_SHOWN, authorization });

/** An authenticator for which every token of the form `name.token` is good for a minute from now. */
function authenticatorWith({ cacheSize = 100, skewMs = 0 } = {}) {
  const clock = { now: START };
  const verified: string[] = [];
  const kind = new TokenCredential({
    async verify(token): Promise<Principal> {
      verified.push(token);
      await Promise.resolve();
      // name.token, or name~7.token for the seventh of the same subject
      const [name = "", ...rest] = token.split(".");
      if (rest[0] !== "token") throw new GatewayError("AUTH_001", { details: "Token is malformed" });
      const subject = name.split("~")[0] as string;
      return { ...SOMEBODY, subject, tokenId: `tok_${name}`, expiresAt: clock.now + MINUTE };
    },
    async signed(token) {
      await Promise.resolve();
      return token.endsWith(".expired");
    },
  });
  const authenticator = new Authenticator({
    kinds: [kind],
    cacheSize,
    skewMs,
    rateKey: (name) => rateKey("salt", name),
    shareKey: (name) => sketchKey("salt", name, 64),
    now: () => clock.now,
  });
  const call = async (authorization: string | undefined, snapshot = NOTHING_REVOKED): Promise<Caller> => {
    const shown = fields(authorization);
    return authenticator.known(shown, snapshot) ?? (await authenticator.verify(shown, () => snapshot));
  };
  return { authenticator, clock, verified, call };
}

describe("a call", () => {
  test("without an Authorization field is AUTH_002", async () => {
    await expect(authenticatorWith().call(undefined)).rejects.toMatchObject({ code: "AUTH_002" });
  });

  test.each([
    "",
    "Bearer",
    "Bearer ",
    "Basic YTpi",
    "a.token",
    "Bearer a.token b.token",
    "Bearer a.token,",
    "Bearer a.token ",
    " Bearer a.token",
    "Bearer\ta.token",
    "Bearer a.tökën",
    "Bearer a.token\n",
    'Bearer "a.token"',
    "Token a.token",
    "BearerX a.token",
    `Bearer ${"a".repeat(8193)}`,
  ])("with the malformed field %j is AUTH_005 and reaches no verifier", async (field) => {
    const { call, verified, authenticator } = authenticatorWith();
    await expect(call(field)).rejects.toMatchObject({ code: "AUTH_005" });
    expect(verified).toEqual([]);
    expect(authenticator.cached).toBe(0);
  });

  test.each(["Bearer a.token", "bearer a.token", "BEARER  a.token"])("with the field %j is good", async (field) => {
    const { call, verified } = authenticatorWith();
    expect((await call(field)).principal.subject).toBe("a");
    expect(verified).toEqual(["a.token"]);
  });

  test("is known by its token, however the field is spelled", async () => {
    const { call, verified, authenticator } = authenticatorWith();
    for (let spaces = 1; spaces < 50; spaces++) await call(`Bearer${" ".repeat(spaces)}a.token`);
    for (const scheme of ["bearer", "BEARER", "bEARER"]) await call(`${scheme} a.token`);
    expect(verified).toEqual(["a.token"]);
    expect(authenticator.cached).toBe(1);
  });

  test("with a token that is not good gets the verifier's error, each time anew", async () => {
    const { call, verified, authenticator } = authenticatorWith();
    for (const times of [1, 2]) {
      await expect(call("Bearer a.forged")).rejects.toMatchObject({ code: "AUTH_001", details: "Token is malformed" });
      expect(verified).toHaveLength(times);
    }
    expect(authenticator.cached).toBe(0);
  });

  test("is limited by who makes it, whatever the token", async () => {
    const { call } = authenticatorWith();
    const [one, same, other] = [
      await call("Bearer a.token"),
      await call("Bearer a.token.new"),
      await call("Bearer b.token"),
    ];
    expect(same.rateKey).toBe(one.rateKey);
    expect(other.rateKey).not.toBe(one.rateKey);
  });
});

describe("a verified token", () => {
  test("is verified once", async () => {
    const { call, verified, authenticator } = authenticatorWith();
    const caller = await call("Bearer a.token");
    expect(await call("Bearer a.token")).toBe(caller);
    expect(authenticator.known(fields("Bearer a.token"), NOTHING_REVOKED)).toBe(caller);
    expect(verified).toHaveLength(1);
  });

  test.each([0, 5000])("is forgotten when it expires, %i ms of clock difference included", async (skewMs) => {
    const { call, clock, verified, authenticator } = authenticatorWith({ skewMs });
    await call("Bearer a.token");
    clock.now += MINUTE + skewMs - 1;
    expect(authenticator.known(fields("Bearer a.token"), NOTHING_REVOKED)).toBeDefined();
    clock.now += 1;
    expect(authenticator.known(fields("Bearer a.token"), NOTHING_REVOKED)).toBeUndefined();
    expect(authenticator.cached).toBe(0);
    await call("Bearer a.token");
    expect(verified).toHaveLength(2);
  });

  test("is refused from the moment it is revoked, though it is known", async () => {
    const { call, verified } = authenticatorWith();
    await call("Bearer a.token");
    await call("Bearer b.token");
    const revoked = snapshotWith("tok_a");
    const refusal = { code: "AUTH_001", details: "Token has been revoked" };
    await expect(call("Bearer a.token", revoked)).rejects.toMatchObject(refusal);
    expect((await call("Bearer b.token", revoked)).principal.subject).toBe("b");
    await expect(call("Bearer a.token", revoked)).rejects.toMatchObject(refusal);
    expect(verified).toHaveLength(2);
  });

  test("that is revoked while it is being verified is refused and not remembered", async () => {
    const { authenticator } = authenticatorWith();
    let snapshot = NOTHING_REVOKED;
    const verifying = authenticator.verify(fields("Bearer a.token"), () => snapshot);
    snapshot = snapshotWith("tok_a");
    await expect(verifying).rejects.toMatchObject({ code: "AUTH_001", details: "Token has been revoked" });
    expect(authenticator.cached).toBe(0);
  });
});

describe("the cache", () => {
  test("holds no more than its size; the oldest entry leaves first", async () => {
    const { call, verified, authenticator } = authenticatorWith({ cacheSize: 3 });
    for (const name of ["a", "b", "c", "d"]) await call(`Bearer ${name}.token`);
    expect(authenticator.cached).toBe(3);
    verified.length = 0;
    for (const name of ["d", "c", "b", "a"]) await call(`Bearer ${name}.token`);
    expect(verified).toEqual(["a.token"]);
    expect(authenticator.cached).toBe(3);
  });

  test("loses nothing when one token is verified twice at the same time", async () => {
    const { call, verified, authenticator } = authenticatorWith({ cacheSize: 2 });
    await call("Bearer a.token");
    await Promise.all([call("Bearer b.token"), call("Bearer b.token")]);
    expect(authenticator.cached).toBe(2);
    await call("Bearer a.token");
    expect(verified).toEqual(["a.token", "b.token", "b.token"]);
  });

  test("of size 0 holds nothing", async () => {
    const { call, verified, authenticator } = authenticatorWith({ cacheSize: 0 });
    for (const times of [1, 2, 3]) {
      await call("Bearer a.token");
      expect(authenticator.cached).toBe(0);
      expect(verified).toHaveLength(times);
    }
  });
});

describe("an Authorization field beside X-Sandbox-Token", () => {
  const sandboxToken = "a.token";

  test.each([
    ["is nobody's when there is none", undefined, false],
    ["is the sandbox's own", "Basic dXNlcjp3b3Jk", true],
    ["is the sandbox's own, even a Bearer that this gateway has not signed", "Bearer sandbox.own", true],
    ["is the sandbox's own, even an empty one", "", true],
    ["goes no further when it repeats the token", "Bearer a.token", false],
    ["goes no further when it repeats the token in another spelling", "bearer   a.token", false],
  ])("%s", async (_why, authorization, passes) => {
    const { authenticator } = authenticatorWith();
    expect(
      await authenticator.passesAuthorization({ ...NOTHING_SHOWN, authorization, sandboxToken }, NOTHING_REVOKED),
    ).toBe(passes);
  });

  test.each([
    ["known", "Bearer b.token"],
    ["signed by it, though expired", "Bearer b.expired"],
  ])("is refused when it is another token of the gateway, %s", async (_why, authorization) => {
    const { authenticator, call } = authenticatorWith();
    await call("Bearer b.token");
    await expect(
      authenticator.passesAuthorization({ ...NOTHING_SHOWN, authorization, sandboxToken }, NOTHING_REVOKED),
    ).rejects.toMatchObject({
      code: "AUTH_005",
    });
  });
});

test("one subject's tokens push out each other, not those of others", async () => {
  const { authenticator, call, verified } = authenticatorWith({ cacheSize: 8 });
  await call("Bearer other.token");
  for (let number = 0; number < 50; number++) await call(`Bearer many~${number}.token`);
  expect(authenticator.cached).toBe(3);
  verified.length = 0;
  for (const token of ["other.token", "many~49.token", "many~48.token"]) await call(`Bearer ${token}`);
  expect(verified).toEqual([]);
  await call("Bearer many~47.token");
  expect(verified).toEqual(["many~47.token"]);
});

/** A kind that stands in one field, as `name.mark`. */
const kindOf = (name: "token" | "session", field: keyof CredentialFields, ambient: boolean): CredentialKind => ({
  name,
  ambient,
  keepsUse: ambient,
  once: false,
  shown: (shown) => shown[field],
  async verify(text) {
    await Promise.resolve();
    const [subject = "", mark] = text.split(".");
    if (mark !== "mark") throw new GatewayError("AUTH_001", { details: "No such session" });
    return { ...SOMEBODY, subject, credential: name };
  },
  isOurs: () => Promise.resolve(false),
});

const callWithTwo = (authorization: string | undefined, sandboxToken: string | undefined, ambient: boolean) => {
  const authenticator = new Authenticator({
    kinds: [kindOf("token", "authorization", false), kindOf("session", "sandboxToken", ambient)],
    cacheSize: 10,
    skewMs: 0,
    rateKey: (name) => rateKey("salt", name),
    shareKey: (name) => sketchKey("salt", name, 64),
    now: () => START,
  });
  return authenticator.verify({ ...NOTHING_SHOWN, authorization, sandboxToken }, () => NOTHING_REVOKED);
};

describe("two credentials in one request", () => {
  test("that speak for the same caller are the first one's", async () => {
    expect((await callWithTwo("a.mark", "a.mark", true)).principal.credential).toBe("token");
  });

  test.each([true, false])(
    "that speak for different callers are refused, sent by the browser itself: %s",
    async (ambient) => {
      await expect(callWithTwo("a.mark", "b.mark", ambient)).rejects.toMatchObject({ code: "AUTH_005" });
    },
  );

  test("of which one is not good are refused", async () => {
    await expect(callWithTwo("a.mark", "a.old", false)).rejects.toMatchObject({ code: "AUTH_001" });
    await expect(callWithTwo("a.old", "a.mark", true)).rejects.toMatchObject({ code: "AUTH_001" });
  });

  test("are one when the one that the browser sends by itself is not good", async () => {
    expect((await callWithTwo("a.mark", "b.old", true)).principal.subject).toBe("a");
  });
});
