import { describe, expect, test } from "vitest";
import { Authenticator } from "../../src/auth/authenticate.ts";
import { LinkCookieCredential } from "../../src/auth/credentials/link.ts";
import { SessionCredential } from "../../src/auth/credentials/session.ts";
import { LINK_COOKIE, linkText } from "../../src/auth/link-text.ts";
import { newSessionText, SESSION_COOKIE } from "../../src/auth/session-text.ts";
import { tokenHash } from "../../src/auth/tokens/issue.ts";
import { snapshotFrom } from "../../src/domain/snapshot/snapshot.ts";
import { rateKey } from "../../src/limits/rate/rate-limit.ts";
import { sketchKey } from "../../src/limits/sketch.ts";
import { NO_STATE } from "../support/snapshot.ts";

const NOW = 1_800_000_000_000;
const HASH_KEY = Buffer.alloc(32, 7);

function linkCookie(id: string): string {
  const text = linkText(HASH_KEY, {
    id,
    keyId: "lky_1",
    subject: "ada",
    sandboxId: "app",
    port: null,
    methods: null,
    path: "/",
    createdAt: NOW,
    expiresAt: NOW + 60_000,
  });
  return `${LINK_COOKIE}=${text}`;
}

const session = newSessionText();

const SNAPSHOT = snapshotFrom({
  ...NO_STATE,
  sessions: [
    {
      id: session.id,
      hash: tokenHash(HASH_KEY, session.text),
      subject: "ada",
      role: "executor",
      grantedBy: "tok_1",
      keyId: null,
      issuedAt: NOW,
      sandboxes: null,
      operations: null,
      secure: false,
      createdAt: NOW,
      expiresAt: NOW + 60_000,
    },
  ],
});

function authenticatorOf(kind: LinkCookieCredential | SessionCredential): Authenticator {
  return new Authenticator({
    kinds: [kind],
    cacheSize: 1_000,
    skewMs: 0,
    rateKey: (name) => rateKey("salt", name),
    shareKey: (name) => sketchKey("salt", name, 64),
    now: () => NOW,
  });
}

function withCookie(cookie: string) {
  return {
    authorization: undefined,
    sandboxToken: undefined,
    link: undefined,
    ticket: undefined,
    certificate: undefined,
    cookie,
  };
}

describe("of one cookie with ever other ones of its name beside it, only a few texts are kept", () => {
  test.each([
    [
      "a link's",
      new LinkCookieCredential(HASH_KEY),
      linkCookie("lnk_1"),
      (round: number) => `${LINK_COOKIE}=${"x".repeat(8_000)}${round}`,
    ],
    [
      "a session's",
      new SessionCredential(HASH_KEY),
      `${SESSION_COOKIE}=${session.text}`,
      () => `${SESSION_COOKIE}=${newSessionText().text}`,
    ],
  ])("%s", async (_, kind, good, other) => {
    const authenticator = authenticatorOf(kind);
    for (let round = 0; round < 60; round++) {
      const cookie = `${good}; ${other(round)}`;
      const caller = await authenticator.verify(withCookie(cookie), () => SNAPSHOT);
      expect(caller.principal.subject).toBe("ada");
    }
    expect(authenticator.cached).toBe(16);
  });

  test("and other cookies of the same subject stay known", async () => {
    const authenticator = authenticatorOf(new LinkCookieCredential(HASH_KEY));
    for (let id = 0; id < 40; id++) await authenticator.verify(withCookie(linkCookie(`lnk_${id}`)), () => SNAPSHOT);
    expect(authenticator.cached).toBe(40);
  });
});
