import { onTestFinished } from "vitest";
import type { HealthCheck } from "../../src/domain/instance/health.ts";
import type { Instance } from "../../src/domain/sandbox.ts";
import { targetPolicy } from "../../src/domain/target-policy.ts";
import type { Ask, Finding, Target } from "../../src/proxy/health/probes/probe.ts";
import { createLookup } from "../../src/proxy/upstream/reach/lookup.ts";
import { Names } from "../../src/proxy/upstream/reach/names.ts";
import { type Reached, reach } from "../../src/proxy/upstream/reach/reach.ts";
import type { TlsTrust } from "../../src/proxy/upstream/reach/secure.ts";
import { HEALTH } from "./health.ts";
import { PLAIN_INSTANCE } from "./sandboxes.ts";

const TRUST: TlsTrust = { verify: true, ca: "", serverName: "", certificate: "", key: "" };

/** The way to an address, as traffic goes it. `deny`: networks in which nothing may be. */
export function wayTo(
  url: string,
  { deny = [], trust = {} }: { deny?: string[]; trust?: Partial<TlsTrust> } = {},
): Reached {
  const names = new Names(createLookup({ servers: [] }));
  const policy = targetPolicy([], deny);
  return reach(url, () => ({ ...TRUST, ...trust }), { names, targets: () => policy, socketFolder: "/nowhere" });
}

export function instanceAt(url: string, number = 0): Instance {
  return { id: `ins_${number}`, sandboxId: "box", url, number, ...PLAIN_INSTANCE, place: number };
}

export function targetAt(url: string, check: Partial<HealthCheck> = {}, more: Partial<Target> = {}): Target {
  const { panicThreshold: _, kind: __, ...defaults } = HEALTH;
  return {
    instance: instanceAt(url),
    check: { ...defaults, kind: "http", program: "", ...check },
    told: null,
    reached: () => wayTo(url),
    program: "",
    ...more,
  };
}

/** What one check finds; it is cancelled when the test is over. */
export function findingOf(ask: Ask, target: Target): Promise<Finding> {
  return new Promise((resolve) => {
    const asking = ask(target, resolve);
    onTestFinished(() => asking.cancel());
  });
}
