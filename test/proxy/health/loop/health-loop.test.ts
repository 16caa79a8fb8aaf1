import { readFileSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { HealthState } from "../../../../src/domain/instance/health.ts";
import type { Sandbox } from "../../../../src/domain/sandbox.ts";
import type { Settings } from "../../../../src/domain/settings/settings.ts";
import { type Clock, SYSTEM_CLOCK } from "../../../../src/proxy/health/loop/agenda.ts";
import { HealthLoop, type HealthLimits, type HealthNews } from "../../../../src/proxy/health/loop/health-loop.ts";
import { eventually } from "../../../support/eventually.ts";
import { HEALTH } from "../../../support/health.ts";
import { instanceAt, wayTo } from "../../../support/health-targets.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { PLAIN_SANDBOX } from "../../../support/sandboxes.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { closedPort, startDeafUpstream, startRawUpstream, startUpstream } from "../../../support/upstream.ts";

const LIMITS: HealthLimits = { defaults: HEALTH, concurrency: 100, programs: {} };
const OFTEN = { healthCheck: "http", healthInterval: 100 } as const;

function start({ clock = SYSTEM_CLOCK, limits = {} }: { clock?: Clock; limits?: Partial<HealthLimits> } = {}) {
  const states = new Map<string, HealthState>();
  const news: HealthNews[] = [];
  const unable: string[] = [];
  let ways = 0;
  const loop = new HealthLoop({
    limits: { ...LIMITS, ...limits },
    board: { setHealth: ({ id }, state) => void states.set(id, state) },
    reach: ({ url }) => {
      ways += 1;
      return wayTo(url);
    },
    onChange: (one) => void news.push(one),
    onUnable: (_sandbox, why) => void unable.push(why),
    clock,
    random: () => 0.5,
  });
  onTestFinished(() => loop.stop());
  const is = (state: HealthState, id = "ins_0") =>
    eventually(`${id} is ${state}`, () => (states.get(id) ?? "unchecked") === state);
  return { loop, states, news, unable, is, ways: () => ways };
}

function sandboxAt(urls: readonly string[], settings: Settings = OFTEN, id = "box"): Sandbox {
  return { id, ...PLAIN_SANDBOX, settings, instances: urls.map((url, number) => instanceAt(url, number)) };
}

/** An instance whose answer can be changed. */
async function startPatient(): Promise<{ url: string; status: number; seen: number; open: Set<Socket> }> {
  const patient = { url: "", status: 200, seen: 0, open: new Set<Socket>() };
  patient.url = await startUpstream((req, res) => {
    patient.seen += 1;
    patient.open.add(req.socket);
    req.socket.once("close", () => patient.open.delete(req.socket));
    if (patient.status > 0) res.writeHead(patient.status).end();
  });
  return patient;
}

describe("an instance", () => {
  test("is well and down as its checks say, and each change is told once with its reason", async () => {
    const { loop, news, is } = start();
    const patient = await startPatient();
    loop.replace([sandboxAt([patient.url])]);
    await is("well");
    patient.status = 503;
    await is("down");
    expect([...loop.down.values()]).toMatchObject([{ instance: { id: "ins_0" }, problem: "status 503" }]);
    const before = patient.seen;
    await eventually("it is asked on", () => patient.seen > before + 3);
    patient.status = 200;
    await is("well");
    expect(news.map(({ state, problem }) => [state, problem])).toEqual([
      ["well", null],
      ["down", "status 503"],
      ["well", null],
    ]);
    expect(loop.down.size).toBe(0);
    expect(loop.counts.failed).toBeGreaterThanOrEqual(3);
  });

  test("is down that takes the connection and never answers, or never takes it", async () => {
    const { loop, news, is } = start();
    const silent = await startRawUpstream(() => undefined);
    loop.replace([sandboxAt([silent, await startDeafUpstream()], { ...OFTEN, healthTimeout: 50 })]);
    await is("down", "ins_0");
    await is("down", "ins_1");
    expect(news.map(({ problem }) => problem)).toEqual(Array(2).fill("no answer within 50 ms"));
  });

  test("is down that sends a byte now and then for longer than a check may take", async () => {
    const { loop, news, is } = start();
    const url = await startUpstream((_req, res) => {
      const timer = setInterval(() => res.write("x"), 20);
      res.once("close", () => clearInterval(timer));
    });
    loop.replace([sandboxAt([url], { ...OFTEN, healthTimeout: 100 })]);
    await is("down");
    expect(news[0]?.problem).toBe("no answer within 100 ms");
  });

  test("that is removed is not asked any more, and what was being asked is given up at once", async () => {
    const { loop, states, is } = start();
    const patient = await startPatient();
    loop.replace([sandboxAt([patient.url])]);
    await is("well");
    patient.status = 0;
    await eventually("a check is under way", () => patient.open.size === 1);
    loop.apply({ kind: "sandbox.removed", sandboxId: "box" });
    expect([states.get("ins_0"), loop.size]).toEqual(["unchecked", 0]);
    await eventually("its connection is gone", () => patient.open.size === 0);
  });

  test("whose check changes is asked the new way soon, and is until then what it was", async () => {
    const { loop, states, is, ways } = start();
    const patient = await startPatient();
    patient.status = 404;
    loop.replace([sandboxAt([patient.url], { ...OFTEN, healthInterval: 3_600_000 })]);
    loop.apply({ kind: "sandbox.put", sandbox: sandboxAt([patient.url]) });
    await is("down");
    const lenient = { ...OFTEN, healthStatus: [[404, 404]] } as const;
    loop.apply({ kind: "sandbox.put", sandbox: sandboxAt([patient.url], lenient) });
    expect(states.get("ins_0")).toBe("down");
    await is("well");
    loop.apply({ kind: "sandbox.put", sandbox: sandboxAt([patient.url], { ...lenient, softLimit: 3 }) });
    const seen = patient.seen;
    await eventually("it is asked on", () => patient.seen > seen + 2);
    expect(ways()).toBe(2); // the first one never came to ask; the last is the one before
  });

  test("is not checked when the setting goes back to off", async () => {
    const { loop, states, is } = start();
    const url = await closedPort();
    loop.replace([sandboxAt([url])]);
    await is("down");
    loop.apply({ kind: "sandbox.put", sandbox: sandboxAt([url], {}) });
    expect([states.get("ins_0"), loop.size, loop.down.size]).toEqual(["unchecked", 0, 0]);
  });

  test("that was down before a restart is down until a check says otherwise", async () => {
    const { loop, states, is, news } = start();
    const patient = await startPatient();
    loop.replace([sandboxAt([patient.url])]);
    loop.recall({ problem: "ECONNREFUSED", since: 5 }, "ins_0", "box");
    loop.recall({ problem: "ECONNREFUSED", since: 5 }, "ins_9", "box");
    expect([states.get("ins_0"), loop.down.get("ins_0")?.since, loop.down.size]).toEqual(["down", 5, 1]);
    await is("well");
    expect([news.length, patient.seen >= 2]).toEqual([1, true]);
  });
});

test("a reload changes defaults and intervals of what is checked already", async () => {
  const { loop, is } = start();
  const patient = await startPatient();
  const sandbox = sandboxAt([patient.url], {});
  loop.replace([sandbox]);
  expect(loop.size).toBe(0);
  loop.configure({ ...LIMITS, defaults: { ...HEALTH, kind: "http", intervalMs: 100 } }, [sandbox]);
  await is("well");
  loop.configure({ ...LIMITS, defaults: { ...HEALTH, kind: "http", intervalMs: 3_600_000 } }, [sandbox]);
  const { seen } = patient;
  loop.configure({ ...LIMITS, defaults: { ...HEALTH, kind: "http", intervalMs: 100 } }, [sandbox]);
  await eventually("it is asked on", () => patient.seen > seen + 3);
  loop.configure(LIMITS, [sandbox]);
  expect(loop.size).toBe(0);
});

describe("with a clock that is turned by hand", () => {
  test("there is no alarm while nobody is to be asked", () => {
    const clock = new ManualClock();
    const { loop } = start({ clock });
    loop.replace([sandboxAt(["http://127.0.0.1:1"], {})]);
    expect(clock.alarms).toBe(0);
    loop.replace([sandboxAt(["http://127.0.0.1:1"])]);
    expect(clock.alarms).toBe(1);
    loop.replace([]);
    expect(clock.alarms).toBe(0);
  });

  test("one that is well is asked once an interval, and sooner as soon as it fails", async () => {
    const clock = new ManualClock();
    const { loop, is } = start({ clock });
    const patient = await startPatient();
    loop.apply({
      kind: "sandbox.put",
      sandbox: sandboxAt([patient.url], { healthCheck: "http", healthInterval: 10_000 }),
    });
    const asked = async (count: number): Promise<void> =>
      eventually(`asked ${count} times`, () => loop.counts.well + loop.counts.failed === count);
    clock.pass(499);
    expect(patient.seen).toBe(0);
    clock.pass(1);
    await asked(1);
    clock.pass(9_980);
    expect(patient.seen).toBe(1);
    patient.status = 500;
    clock.pass(20);
    await asked(2);
    clock.pass(2_000);
    await asked(3);
    clock.pass(2_000);
    await is("down");
    patient.status = 200;
    for (const count of [5, 6]) {
      clock.pass(2_000);
      await asked(count);
    }
    await is("well");
    clock.pass(9_980);
    expect(patient.seen).toBe(6);
  });
});

test("of two hundred instances no more than a few are asked at a time, and all of them are", async () => {
  const clock = new ManualClock();
  const { loop } = start({ clock, limits: { concurrency: 10 } });
  let [open, most] = [0, 0];
  const url = await startRawUpstream((socket) => {
    open += 1;
    most = Math.max(most, open);
    socket.once("close", () => void (open -= 1)).resume();
  });
  const count = 200;
  const tcp = { healthCheck: "tcp", healthInterval: 60_000 } as const;
  loop.replace([sandboxAt(Array<string>(count).fill(url), tcp)]);
  clock.pass(60_000);
  await eventually("all were asked", () => loop.counts.well === count, 10_000);
  expect(most).toBeLessThanOrEqual(20); // the other end sees a close a little later
});

test("a thousand dead instances do not keep the living from being asked", async () => {
  const clock = new ManualClock();
  const { loop } = start({ clock, limits: { concurrency: 4 } });
  const dead = await startRawUpstream(() => undefined);
  const patient = await startPatient();
  const slow = { healthCheck: "http", healthInterval: 1_000, healthTimeout: 600_000 } as const;
  loop.replace([sandboxAt(Array<string>(50).fill(dead), slow, "dead"), sandboxAt([patient.url], slow, "living")]);
  for (let number = 0; number < 50; number++) {
    loop.recall({ problem: "no answer", since: 0 }, `ins_${number}`, "dead");
  }
  for (let round = 1; round <= 3; round++) {
    clock.pass(1_000);
    await eventually("the living one is asked", () => loop.counts.well === round);
    expect(patient.seen).toBe(round);
  }
});

const exec = (healthProgram: string): Sandbox =>
  sandboxAt(["http://127.0.0.1:1"], { healthCheck: "exec", healthProgram });

test("a program that nobody allows is not run, and the sandbox is not checked", () => {
  const { loop, unable } = start({ limits: { programs: { known: "/bin/true" } } });
  loop.replace([exec("toString")]);
  expect([loop.size, unable]).toEqual([0, ['there is no program "toString" in HEALTH_PROGRAMS']]);
  loop.replace([exec("known")]);
  expect(loop.size).toBe(1);
});

test("no more than eight programs run at a time, and every instance gets its turn", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "check");
  const script = `D=${folder}; mkdir $D/run.$$; ls -d $D/run.* | wc -l >> $D/counts; sleep 0.1; rmdir $D/run.$$`;
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const clock = new ManualClock();
  const { loop, states } = start({ clock, limits: { programs: { check: path } } });
  const settings = {
    healthCheck: "exec",
    healthProgram: "check",
    healthInterval: 1_000,
    healthTimeout: 60_000,
  } as const;
  loop.replace([sandboxAt(Array<string>(20).fill("http://127.0.0.1:1"), settings)]);
  clock.pass(1_000);
  await eventually("all are well", () => [...states.values()].filter((state) => state === "well").length === 20);
  const counts = readFileSync(join(folder, "counts"), "utf8").trim().split("\n").map(Number);
  expect([counts.length, Math.max(...counts) <= 8]).toEqual([20, true]);
});
