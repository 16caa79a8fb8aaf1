import { describe, expect, test } from "vitest";
import { type Found, Names } from "../../../../src/proxy/upstream/reach/names.ts";

/** Names whose look-ups are answered by hand, on a clock that is set. */
function namesByHand() {
  const clock = { now: 0 };
  const asked: { name: string; found: (addresses: string[], ttlMs: number) => void; fail: (code: string) => void }[] =
    [];
  const lookup = (name: string): Promise<Found> =>
    new Promise((resolve, reject) => {
      asked.push({
        name,
        found: (addresses, ttlMs) => resolve({ addresses, ttlMs }),
        fail: (code) => reject(Object.assign(new Error(code), { code })),
      });
    });
  const names = new Names(lookup, () => clock.now);
  /** The first look-up is answered; `box` is known for `ttlMs`. */
  const known = async (ttlMs: number): Promise<void> => {
    const first = names.find("box");
    asked[0]?.found(["192.0.2.1"], ttlMs);
    await first;
  };
  return { names, clock, asked, known };
}

describe("a name", () => {
  test("is looked up once for all who ask at the same time, and again when its time is over", async () => {
    const { names, clock, asked } = namesByHand();
    const all = [names.find("box"), names.find("box")];
    asked[0]?.found(["192.0.2.1"], 30_000);
    expect(await Promise.all(all)).toEqual([["192.0.2.1"], ["192.0.2.1"]]);
    clock.now = 29_999;
    expect(await names.find("box")).toEqual(["192.0.2.1"]);
    expect(asked.length).toBe(1);
    clock.now = 30_000;
    const again = names.find("box");
    asked[1]?.found(["192.0.2.2"], 30_000);
    expect(await again).toEqual(["192.0.2.2"]);
  });

  test("that leads nowhere does not hold up another", async () => {
    const { names, asked } = namesByHand();
    void names.find("slow");
    const fast = names.find("fast");
    asked.find(({ name }) => name === "fast")?.found(["192.0.2.9"], 1_000);
    expect(await fast).toEqual(["192.0.2.9"]);
  });

  test.each([
    [0, 999, 1_000],
    [86_400_000, 299_999, 300_000],
  ])("with a TTL of %i ms is kept until %i ms and not until %i ms", async (ttlMs, kept, over) => {
    const { names, clock, asked, known } = namesByHand();
    await known(ttlMs);
    clock.now = kept;
    names.refresh("box");
    expect(asked.length).toBe(1);
    clock.now = over;
    names.refresh("box");
    expect(asked.length).toBe(2);
  });

  test("leads where it led for a minute when nobody can say where it leads now", async () => {
    const { names, clock, asked, known } = namesByHand();
    await known(10_000);
    clock.now = 69_999;
    const stale = names.find("box");
    asked[1]?.fail("ETIMEOUT");
    expect(await stale).toEqual(["192.0.2.1"]);
    clock.now = 71_000;
    const gone = names.find("box");
    asked[2]?.fail("ETIMEOUT");
    await expect(gone).rejects.toMatchObject({ code: "ETIMEOUT" });
    expect(names.known("box")).toBeUndefined();
  });

  test("leads where it led when the answer does not come soon", async () => {
    const { names, clock, asked, known } = namesByHand();
    await known(1_000);
    clock.now = 5_000;
    expect(await names.find("box")).toEqual(["192.0.2.1"]);
    expect(asked.length).toBe(2);
    asked[1]?.found(["192.0.2.2"], 1_000);
    await expect.poll(() => names.known("box")).toEqual(["192.0.2.2"]);
  });

  test("that was not found is not asked for again at once", async () => {
    const { names, clock, asked } = namesByHand();
    const first = names.find("box");
    asked[0]?.fail("ENOTFOUND");
    await expect(first).rejects.toMatchObject({ code: "ENOTFOUND" });
    clock.now = 999;
    await expect(names.find("box")).rejects.toMatchObject({ code: "ENOTFOUND" });
    expect(asked.length).toBe(1);
    clock.now = 1_000;
    const again = names.find("box");
    asked[1]?.found(["192.0.2.1"], 1_000);
    expect(await again).toEqual(["192.0.2.1"]);
  });

  test("is tried at the address that answered last", async () => {
    const { names, asked } = namesByHand();
    const first = names.find("box");
    asked[0]?.found(["192.0.2.1", "192.0.2.2", "192.0.2.3"], 1_000);
    await first;
    names.prefer("box", "192.0.2.2");
    names.prefer("box", "203.0.113.1");
    expect(await names.find("box")).toEqual(["192.0.2.2", "192.0.2.1", "192.0.2.3"]);
  });

  test("is forgotten when nobody has asked for it for a while", async () => {
    const { names, clock, known } = namesByHand();
    await known(1_000);
    clock.now = 60_999;
    names.prune();
    expect(names.known("box")).toEqual(["192.0.2.1"]);
    clock.now = 61_000;
    names.prune();
    expect(names.known("box")).toBeUndefined();
  });
});
