import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Instance, Sandbox } from "../../../../src/domain/sandbox.ts";
import { SESSION_WORDS, SessionTable } from "../../../../src/proxy/balance/stickiness/session-table.ts";
import { Stickiness, type Visit } from "../../../../src/proxy/balance/stickiness/stickiness.ts";
import { requestOf, sandboxOf } from "../../../support/balancing.ts";

const SECRET = Buffer.alloc(32, 7);

function start({ secret = SECRET, at = 1_800_000_000_000, words = new Int32Array(SESSION_WORDS) } = {}) {
  const clock = { at };
  const threadOf = () => new Stickiness({ secret, words, ttlMs: 60_000, now: () => clock.at });
  return { clock, words, threadOf, stickiness: threadOf() };
}

function visitOf(
  caller: number,
  { cookie, mount = "/s/box", scheme = "http" }: Partial<Visit> & { cookie?: string } = {},
): Visit {
  const fields: Record<string, string | undefined> = { cookie, "x-room": `room-${caller}` };
  return { ...requestOf(caller), mount, scheme, field: (name) => fields[name] };
}

const bySession = (sticky: string, weights = [1, 1, 1, 1]) => sandboxOf(weights, { settings: { sticky } });
const byCookie = (more: Partial<Sandbox> = {}) => sandboxOf([1, 1, 1], { settings: { sticky: "cookie" }, ...more });
const [, second, third] = byCookie().instances as [Instance, Instance, Instance];

/** The cookie that a client of this sandbox gets when `instance` has answered it. */
function cookieOf(stickiness: Stickiness, sandbox: Sandbox, instance: Instance): string {
  const bond = stickiness.bind(sandbox, visitOf(1));
  bond?.tie(instance);
  return bond?.cookie?.split(";")[0] as string;
}

test("a sandbox that wants no stickiness binds nothing", () => {
  expect(start().stickiness.bind(sandboxOf([1, 1]), visitOf(1))).toBeNull();
});

describe("a cookie", () => {
  test("binds to the instance that answered, on another thread and after a restart too", () => {
    const before = start();
    const cookie = cookieOf(before.stickiness, byCookie(), second);
    const after = start();
    for (const { stickiness } of [before, { stickiness: before.threadOf() }, after]) {
      expect(stickiness.bind(byCookie(), visitOf(2, { cookie: `a=1; ${cookie};b=2` }))?.instance?.id).toBe(second.id);
    }
  });

  test.each([
    ["/s/box", "http", "Path=/s/box/; Max-Age=60; HttpOnly; SameSite=Lax"],
    ["/s/box", "https", "Path=/s/box/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"],
    ["", "https", "Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"],
  ] as const)("of a sandbox at %j over %s is its own", (mount, scheme, attributes) => {
    const bond = start().stickiness.bind(byCookie(), visitOf(1, { mount, scheme }));
    bond?.tie(second);
    expect(bond?.cookie).toMatch(/^sandboxgw_sticky_box=[\w.-]+; /);
    expect(bond?.cookie).toContain(`; ${attributes}`);
    expect(bond?.cookie?.endsWith(attributes)).toBe(true);
  });

  test("is given once, renewed past half its time, and over at its end", () => {
    const { clock, stickiness } = start();
    const cookie = cookieOf(stickiness, byCookie(), second);
    const toldAfter = (ms: number) => {
      clock.at += ms;
      const bond = stickiness.bind(byCookie(), visitOf(1, { cookie }));
      const bound = bond?.instance?.id;
      bond?.tie(second);
      return { bound, told: bond?.cookie !== null };
    };
    expect(toldAfter(1_000)).toEqual({ bound: second.id, told: false });
    expect(toldAfter(28_000)).toEqual({ bound: second.id, told: false });
    expect(toldAfter(2_000)).toEqual({ bound: second.id, told: true });
    expect(toldAfter(29_000)).toEqual({ bound: undefined, told: true });
  });

  test("moves when another instance answers, and binds to none when its own has gone", () => {
    const { stickiness } = start();
    const cookie = cookieOf(stickiness, byCookie(), third);
    const smaller = byCookie({ instances: byCookie().instances.slice(0, 2) });
    const bond = stickiness.bind(smaller, visitOf(1, { cookie }));
    expect(bond?.instance).toBeUndefined();
    bond?.tie(second);
    const moved = bond?.cookie?.split(";")[0] as string;
    expect(stickiness.bind(smaller, visitOf(1, { cookie: moved }))?.instance?.id).toBe(second.id);
  });

  test("of another sandbox, under another key, or changed anywhere, binds to nothing", () => {
    const { stickiness } = start();
    const cookie = cookieOf(stickiness, byCookie(), second);
    const bound = (sent: string, by = stickiness) => by.bind(byCookie(), visitOf(1, { cookie: sent }))?.instance?.id;
    expect(bound(cookie)).toBe(second.id);
    const other = cookieOf(stickiness, byCookie({ id: "other" }), second);
    expect(bound(other)).toBeUndefined();
    expect(bound(other.replace("sticky_other", "sticky_box"))).toBeUndefined();
    expect(bound(cookie, start({ secret: Buffer.alloc(32, 8) }).stickiness)).toBeUndefined();
    const value = cookie.indexOf("=") + 1;
    fc.assert(
      fc.property(
        fc.nat({ max: cookie.length - value - 1 }),
        fc.constantFrom("a", "Z", "0", "_", "-", ".", "é", "\u0000", " "),
        (at, letter) => {
          const forged = cookie.slice(0, value + at) + letter + cookie.slice(value + at + 1);
          expect(forged.trim() === cookie ? undefined : bound(forged)).toBeUndefined();
        },
      ),
    );
  });

  test("is found behind others of its name that a neighbour's script has put before it, a few of them", () => {
    const { stickiness } = start();
    const cookie = cookieOf(stickiness, byCookie(), second);
    const junk = "sandboxgw_sticky_box=junk; ";
    const bound = (sent: string) => stickiness.bind(byCookie(), visitOf(1, { cookie: sent }))?.instance?.id;
    expect(bound(junk.repeat(7) + cookie)).toBe(second.id);
    expect(bound(junk.repeat(8) + cookie)).toBeUndefined();
  });
});

describe("a session", () => {
  test.each(["session", "user", "header:X-Room"])(
    "by %s begins on the same instance on every thread and after a restart",
    (sticky) => {
      const sandbox = bySession(sticky);
      const [one, other, again] = [start(), start(), start({ at: 1_900_000_000_000 })];
      const used = new Set<number>();
      for (let caller = 0; caller < 100; caller++) {
        const begins = [one, other, again].map(
          ({ stickiness }) => stickiness.bind(sandbox, visitOf(caller))?.first(sandbox.instances)?.number,
        );
        expect(new Set(begins).size).toBe(1);
        used.add(begins[0] as number);
      }
      expect(used.size).toBe(4);
    },
  );

  test("stays where it was answered, seen from every thread, until its time is over", () => {
    const { clock, stickiness, threadOf } = start();
    const sandbox = bySession("header:x-room");
    const bind = (by: Stickiness) => by.bind(sandbox, visitOf(1));
    for (const instance of [second, third]) {
      bind(stickiness)?.tie(sandbox.instances[instance.number] as Instance);
      expect(bind(threadOf())?.instance?.number).toBe(instance.number);
      expect(bind(stickiness)?.cookie).toBeNull();
    }
    for (let minute = 0; minute < 4; minute++) {
      clock.at += 45_000;
      const bond = bind(threadOf());
      expect(bond?.instance?.number).toBe(third.number);
      bond?.tie(bond.instance as Instance);
    }
    clock.at += 61_000;
    expect(bind(stickiness)?.instance).toBeUndefined();
  });

  test("stays when an instance is added", () => {
    const { stickiness } = start();
    const sandbox = bySession("user");
    const bonds = Array.from({ length: 100 }, (_, caller) => stickiness.bind(sandbox, visitOf(caller)));
    const begun = bonds.map((bond) => bond?.first(sandbox.instances) as Instance);
    for (const [caller, bond] of bonds.entries()) bond?.tie(begun[caller] as Instance);
    const larger = bySession("user", [1, 1, 1, 1, 1]);
    const bound = begun.map((_, caller) => stickiness.bind(larger, visitOf(caller))?.instance?.number);
    expect(bound).toEqual(begun.map(({ number }) => number));
  });

  test("is of one sandbox, and one kind", () => {
    const { stickiness } = start();
    stickiness.bind(bySession("user"), visitOf(1))?.tie(second);
    for (const sandbox of [bySession("session"), { ...bySession("user"), id: "other" }]) {
      expect(stickiness.bind(sandbox, visitOf(1))?.instance).toBeUndefined();
    }
  });

  test("without the field is none, and of nobody in particular goes by the address", () => {
    const { stickiness } = start();
    const without = { ...visitOf(1), field: () => undefined };
    expect(stickiness.bind(bySession("header:x-room"), without)).toBeNull();
    const nobody = {
      ...visitOf(1),
      principal: { ...(visitOf(1).principal as object), tokenId: "" } as Visit["principal"],
    };
    stickiness.bind(bySession("user"), nobody)?.tie(second);
    expect(stickiness.bind(bySession("user"), nobody)?.instance?.number).toBe(second.number);
    expect(stickiness.bind(bySession("user"), { ...nobody, address: "10.9.9.9" })?.instance).toBeUndefined();
  });

  test("takes its room from sessions that would be forgotten sooner, and never from more than an eighth of others'", () => {
    const { words, stickiness } = start();
    const crowded = bySession("header:x-room");
    const quiet = Array.from({ length: 50 }, (_, box) => ({ ...bySession("user"), id: `quiet-${box}` }));
    for (const sandbox of quiet) stickiness.bind(sandbox, visitOf(1))?.tie(second);
    for (let room = 0; room < 20_000; room++) stickiness.bind(crowded, visitOf(room))?.tie(third);
    const known = quiet.filter((sandbox) => stickiness.bind(sandbox, visitOf(1))?.instance !== undefined);
    expect(known.length).toBeGreaterThan(35);
    expect(words.filter((word) => word !== 0).length / 3).toBeLessThanOrEqual(16_384 + 50);
  });
});

test("what is half written by another thread is an instance that nobody has", () => {
  const words = new Int32Array(SESSION_WORDS);
  const table = new SessionTable(words);
  const [one, other] = [
    { window: 1, bucket: 2, tag: 3, check: 0x5a5a5a5a },
    { window: 1, bucket: 2, tag: 4, check: -0x1234567 },
  ];
  table.put(one, { number: 1, until: 100 });
  const at = words.indexOf(3);
  words[at] = other.tag;
  expect(table.find(other, 0)?.number).not.toBe(1);
});
