import * as fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { circuitFrom, circuitWord } from "../../../src/proxy/health/circuit-word.ts";
import { Circuits, type CircuitLimits, isProbe, REFUSED } from "../../../src/proxy/health/circuits.ts";
import { CIRCUITS, circuitWords } from "../../support/circuits.ts";

const PLACE = 3;
const always = (): boolean => true;

/** Two threads' circuits over one memory, with a clock in ms. */
function start(limits: Partial<CircuitLimits> = {}) {
  const words = circuitWords(8, 2);
  let ms = 50_000;
  const [one, other] = [0, 1].map(
    (thread) =>
      new Circuits({ words, thread, limits: { ...CIRCUITS, ...limits }, now: () => ms / 10, random: () => 0 }),
  ) as [Circuits, Circuits];
  one.clear(PLACE);
  const fail = (times: number): void => {
    for (let time = 0; time < times; time++) one.failed(PLACE, one.claim(PLACE), always);
  };
  return {
    words,
    one,
    other,
    fail,
    pass: (more: number) => void (ms += more),
    state: () => other.circuit(PLACE).state,
  };
}

describe("a circuit", () => {
  test("opens after five failures in a row, counted over all threads, and then refuses everybody", () => {
    const { one, other, state } = start();
    for (const each of [one, other, one, other]) each.failed(PLACE, each.claim(PLACE), always);
    expect([state(), one.admits(PLACE)]).toEqual(["closed", true]);
    expect(one.failed(PLACE, one.claim(PLACE), always)).toBe(true);
    expect([state(), other.admits(PLACE), other.claim(PLACE)]).toEqual(["open", false, REFUSED]);
  });

  test("is not impressed by failures between which something went well", () => {
    const { one, fail, state } = start({ minRequests: 1_000 });
    for (let round = 0; round < 10; round++) {
      fail(4);
      one.succeeded(PLACE, one.claim(PLACE));
    }
    expect(state()).toBe("closed");
  });

  test("opens when half of at least twenty calls within the window failed", () => {
    const { one, state } = start();
    for (let call = 0; call < 9; call++) {
      one.failed(PLACE, one.claim(PLACE), always);
      one.succeeded(PLACE, one.claim(PLACE));
    }
    expect(state()).toBe("closed");
    one.succeeded(PLACE, one.claim(PLACE));
    one.failed(PLACE, one.claim(PLACE), always);
    expect(state()).toBe("open");
  });

  test("forgets what failed before the window", () => {
    const { one, pass, state } = start();
    for (let call = 0; call < 40; call++) {
      one.failed(PLACE, one.claim(PLACE), always);
      one.succeeded(PLACE, one.claim(PLACE));
      pass(1_500);
    }
    expect(state()).toBe("closed");
  });

  test("stays closed, and keeps its count, as long as it may not open", () => {
    const { one, fail, state } = start();
    for (let call = 0; call < 20; call++) one.failed(PLACE, one.claim(PLACE), () => false);
    expect(state()).toBe("closed");
    fail(1);
    expect(state()).toBe("open");
  });

  test("never opens where circuits are off", () => {
    const { fail, state } = start({ failures: 0 });
    fail(100);
    expect(state()).toBe("closed");
  });

  test("lets one call try when its time is over, and closes when that goes well", () => {
    const { one, other, fail, pass, state } = start();
    fail(5);
    pass(9_990);
    expect(one.admits(PLACE)).toBe(false);
    pass(10);
    expect(one.admits(PLACE)).toBe(true);
    const ticket = one.claim(PLACE);
    expect(ticket).toBeGreaterThan(0);
    expect([one.claim(PLACE), other.claim(PLACE), state()]).toEqual([REFUSED, REFUSED, "half-open"]);
    one.succeeded(PLACE, ticket);
    expect([state(), isProbe(ticket), isProbe(other.claim(PLACE))]).toEqual(["closed", true, false]);
  });

  test("opens for longer each time the try fails, up to the limit", () => {
    const { one, fail, pass } = start();
    fail(5);
    const times: number[] = [];
    for (let round = 0; round < 40; round++) {
      times.push(one.opensInMs(PLACE));
      pass(one.opensInMs(PLACE));
      one.failed(PLACE, one.claim(PLACE), () => false);
    }
    expect(times.slice(0, 4)).toEqual([10_000, 20_000, 30_000, 40_000]);
    expect(times.at(-1)).toBe(300_000);
  });

  test("remembers how often it opened until it has stayed closed for as long", () => {
    const { one, fail, pass } = start();
    for (const [closedFor, opens] of [
      [0, 10_000],
      [5_000, 20_000],
      [40_000, 10_000],
    ] as const) {
      pass(closedFor);
      fail(5);
      expect(one.opensInMs(PLACE)).toBe(opens);
      pass(opens);
      one.succeeded(PLACE, one.claim(PLACE));
    }
  });

  test("gives the try to the next call when the one that had it ended without an outcome", () => {
    const { one, other, fail, pass } = start();
    fail(5);
    pass(10_000);
    one.gaveUp(PLACE, one.claim(PLACE));
    expect(other.claim(PLACE)).toBeGreaterThan(0);
  });

  test("takes the try back from one that vanished, and no longer listens to it", () => {
    const { one, other, fail, pass, state } = start();
    fail(5);
    pass(10_000);
    const vanished = one.claim(PLACE);
    pass(CIRCUITS.probeMs - 10);
    expect(other.claim(PLACE)).toBe(REFUSED);
    pass(10);
    const second = other.claim(PLACE);
    expect(second).toBeGreaterThan(0);
    one.failed(PLACE, vanished, always);
    one.gaveUp(PLACE, vanished);
    one.succeeded(PLACE, vanished);
    expect(state()).toBe("half-open");
    other.succeeded(PLACE, second);
    expect(state()).toBe("closed");
  });

  test("keeps the time of a try that another thread began, when one comes too late to give its own back", () => {
    const { one, other, fail, pass, words } = start();
    fail(5);
    pass(10_000);
    const vanished = one.claim(PLACE);
    pass(CIRCUITS.probeMs);
    // The other thread takes the try over between this one's look at the word and its change.
    const seen = words.word[PLACE] as number;
    expect(other.claim(PLACE)).toBeGreaterThan(0);
    const taken = words.word[PLACE] as number;
    words.word[PLACE] = seen;
    const exchange = Atomics.compareExchange;
    Atomics.compareExchange = ((...args: Parameters<typeof exchange>) => {
      words.word[PLACE] = taken;
      return exchange(...args);
    }) as typeof exchange;
    onTestFinished(() => void (Atomics.compareExchange = exchange));
    one.gaveUp(PLACE, vanished);
    expect([other.circuit(PLACE).state, one.claim(PLACE)]).toEqual(["half-open", REFUSED]);
  });

  test("does not hear what calls from before it opened have to say", () => {
    const { one, fail, state } = start();
    const early = one.claim(PLACE);
    fail(5);
    one.succeeded(PLACE, early);
    expect(state()).toBe("open");
    one.failed(PLACE, early, always);
    expect(one.opensInMs(PLACE)).toBe(10_000);
  });

  test("does not hear them after it has closed again either: not in a row, and not by rate", () => {
    const { one, fail, pass, state } = start();
    const early = Array.from({ length: 50 }, () => one.claim(PLACE));
    fail(5);
    pass(10_000);
    one.succeeded(PLACE, one.claim(PLACE));
    fail(1);
    for (const ticket of early) one.failed(PLACE, ticket, always);
    expect([state(), one.circuit(PLACE).failures]).toEqual(["closed", 1]);
    for (const ticket of early) one.succeeded(PLACE, ticket);
    expect(one.circuit(PLACE).failures).toBe(1);
  });

  test("does not open while another is being opened, but with the next failure", () => {
    const { one, other, state } = start();
    const [there] = [PLACE + 1];
    other.clear(there);
    for (let time = 0; time < 4; time++) other.failed(there, other.claim(there), always);
    for (let time = 0; time < 4; time++) one.failed(PLACE, one.claim(PLACE), always);
    let meanwhile: boolean | undefined;
    const opened = one.failed(PLACE, one.claim(PLACE), () => {
      meanwhile = other.failed(there, other.claim(there), always);
      return true;
    });
    expect([opened, meanwhile, state(), other.circuit(there).state]).toEqual([true, false, "open", "closed"]);
    expect(other.failed(there, other.claim(there), always)).toBe(true);
  });

  test("opens although a thread died while it was opening one", () => {
    const { words, fail, pass, state } = start();
    words.opening[0] = 5_000;
    fail(5);
    expect(state()).toBe("closed");
    pass(1_001);
    fail(1);
    expect(state()).toBe("open");
    expect(words.opening[0]).toBe(0);
  });

  test("is closed by hand at once, and forgets only when it is told to", () => {
    const { one, fail, state } = start();
    fail(5);
    one.close(PLACE, false);
    expect([state(), one.circuit(PLACE).ejections]).toEqual(["closed", 1]);
    one.close(PLACE, true);
    expect(one.circuit(PLACE).ejections).toBe(0);
  });

  test("is as open as it was after a restart", () => {
    const { one, other, pass } = start();
    one.restore(PLACE, { state: "open", ejections: 3, ms: 7_000 });
    expect([other.circuit(PLACE), other.opensInMs(PLACE)]).toMatchObject([{ state: "open", ejections: 3 }, 7_000]);
    pass(7_000);
    other.failed(PLACE, other.claim(PLACE), always);
    expect(other.opensInMs(PLACE)).toBe(40_000);
  });
});

test("how often a circuit was open is known after a restart, and forgotten when it has been closed for long", () => {
  const { one, other, fail, pass } = start();
  one.restore(PLACE, { state: "closed", ejections: 2, ms: 25_000 });
  other.forgive();
  expect(other.circuit(PLACE)).toMatchObject({ state: "closed", ejections: 2 });
  fail(5);
  expect(one.opensInMs(PLACE)).toBe(30_000);
  one.restore(PLACE, { state: "closed", ejections: 2, ms: 25_000 });
  pass(5_010);
  other.forgive();
  expect(other.circuit(PLACE)).toMatchObject({ state: "closed", ejections: 0, generation: 1 });
});

test("a word says what was put into it, within its bounds", () => {
  const circuit = fc.record({
    state: fc.constantFrom("closed", "open", "half-open"),
    failures: fc.nat({ max: 255 }),
    ejections: fc.nat({ max: 63 }),
    generation: fc.nat({ max: 65_535 }),
  });
  fc.assert(
    fc.property(circuit, (one) => {
      expect(circuitFrom(circuitWord(one) | 0)).toEqual(one);
    }),
  );
  expect(circuitFrom(circuitWord({ state: "open", failures: 999, ejections: 99, generation: 65_536 }))).toEqual({
    state: "open",
    failures: 255,
    ejections: 63,
    generation: 0,
  });
});

// A model of one circuit: who holds what, and when the next change is due. Two threads act on it in any order.
type Step = {
  readonly kind: "call" | "well" | "badly" | "nothing" | "wait";
  readonly thread: 0 | 1;
  readonly which: number;
};

test("whatever happens: open refuses all until its time, half-open has one call, closed refuses none, and none is stuck", () => {
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom("call", "call", "well", "badly", "badly", "nothing", "wait"),
    thread: fc.constantFrom(0, 1),
    which: fc.nat({ max: 20 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const { one, other, pass } = start({ probeMs: 3_000, failures: 3, minRequests: 1_000 });
      const calls: number[] = [];
      const wrong: string[] = [];
      /** The ticket of the call that tries, while it does. */
      let probe = 0;
      let since = 0;
      let now = 0;
      for (const { kind, thread, which } of steps) {
        const circuits = thread === 0 ? one : other;
        if (kind === "wait") {
          pass(which * 500);
          now += which * 500;
          continue;
        }
        if (kind === "call") {
          const before = circuits.circuit(PLACE).state;
          const due = circuits.opensInMs(PLACE) === 0;
          const ticket = circuits.claim(PLACE);
          const expected = before === "closed" ? "passes" : due ? "tries" : "refused";
          const got = ticket === REFUSED ? "refused" : isProbe(ticket) ? "tries" : "passes";
          if (got !== expected) wrong.push(`${before} circuit: ${got}`);
          if (isProbe(ticket) && before === "half-open" && now - since < 3_000) wrong.push("two try at once");
          if (isProbe(ticket)) [probe, since] = [ticket, now];
          if (ticket !== REFUSED) calls.push(ticket);
          continue;
        }
        const [ticket] = calls.splice(which % Math.max(1, calls.length), 1);
        if (ticket === undefined) continue;
        const before = circuits.circuit(PLACE);
        if (kind === "well") circuits.succeeded(PLACE, ticket);
        if (kind === "badly") circuits.failed(PLACE, ticket, always);
        if (kind === "nothing") circuits.gaveUp(PLACE, ticket);
        const after = circuits.circuit(PLACE);
        const tries = before.state === "half-open" && ticket === probe;
        const counts = before.state === "closed" && ticket === 2 * before.generation;
        const opens = counts && kind === "badly" && before.failures + 1 >= 3;
        const state = tries ? (kind === "well" ? "closed" : "open") : opens ? "open" : before.state;
        if (after.state !== state) wrong.push(`${before.state} circuit, ${kind}: ${after.state}`);
        if (counts && kind === "well" && after.failures > 0) wrong.push("a success forgot no failure");
        if (!counts && before.state === "closed" && after.failures !== before.failures)
          wrong.push("a late one counted");
      }
      pass(400_000);
      expect(wrong).toEqual([]);
      expect(one.claim(PLACE)).not.toBe(REFUSED);
    }),
    { numRuns: 300 },
  );
});
