// Every built-in plug-in by the name people use for it: the only list of them.

import { ApiKeyCredential } from "./auth/credentials/api-key.ts";
import type { CredentialKind } from "./auth/credentials/credential.ts";
import { ClientCertificateCredential } from "./auth/credentials/client-certificate.ts";
import { LinkCookieCredential, LinkCredential } from "./auth/credentials/link.ts";
import { SessionCredential } from "./auth/credentials/session.ts";
import type { TicketCredential } from "./auth/credentials/ticket.ts";
import { TokenCredential } from "./auth/credentials/token.ts";
import type { ThreadKeys } from "./auth/keys/key-ring.ts";
import { VerificationKeys } from "./auth/keys/verification-keys.ts";
import type { KeySource } from "./auth/oidc/key-source.ts";
import { createProviders } from "./auth/oidc/providers.ts";
import { TokensByIssuer } from "./auth/tokens/by-issuer.ts";
import { TokenVerifier } from "./auth/tokens/verify.ts";
import type { Config } from "./config/schema.ts";
import type { Driver, InstanceReport } from "./drivers/driver.ts";
import { StaticDriver } from "./drivers/static.ts";
import { WasmDriver } from "./drivers/wasm/driver.ts";
import { ANSWER_MARGIN_MS } from "./execution/execute.ts";
import { ConsistentHash } from "./proxy/balance/strategies/consistent-hash.ts";
import { hashKey } from "./proxy/balance/strategies/hash-key.ts";
import { IpHash } from "./proxy/balance/strategies/ip-hash.ts";
import { LeastRequests } from "./proxy/balance/strategies/least-requests.ts";
import { PeakEwma } from "./proxy/balance/strategies/peak-ewma.ts";
import { PowerOfTwo } from "./proxy/balance/strategies/power-of-two.ts";
import { Random } from "./proxy/balance/strategies/random.ts";
import { RoundRobin } from "./proxy/balance/strategies/round-robin.ts";
import type { Strategy } from "./proxy/balance/strategy.ts";
import { GenericRuntime } from "./runtimes/generic.ts";
import type { Runtime } from "./runtimes/runtime.ts";

export const RUNTIME_NAMES = ["generic"] as const;

/** `managed`: the daemon starts the instances itself. */
export const DRIVERS = { static: { managed: false }, wasm: { managed: true } } as const;

export const STRATEGY_NAMES = [
  "round-robin",
  "weighted",
  "least-requests",
  "p2c",
  "peak-ewma",
  "random",
  "ip-hash",
  "consistent-hash",
] as const;

/** In the order in which they count: what callers show on purpose before what browsers send by themselves. */
export function createCredentials(options: {
  config: Config;
  keys: ThreadKeys;
  tickets: TicketCredential;
  keySource: KeySource;
}): CredentialKind[] {
  const { config, keys, tickets, keySource } = options;
  const { tokenHashKey } = keys;
  const own = new TokenVerifier({
    keys: new VerificationKeys({ keys, now: Date.now }),
    issuer: config.TOKEN_ISSUER,
    audience: config.TOKEN_AUDIENCE,
    clockSkewMs: config.TOKEN_CLOCK_SKEW,
  });
  return [
    new TokenCredential(
      new TokensByIssuer({
        own: config.AUTH_PROVIDER.includes("jwt") ? own : null,
        others: config.AUTH_PROVIDER.includes("oidc") ? createProviders(config, keySource) : [],
      }),
    ),
    new ApiKeyCredential(tokenHashKey),
    new LinkCredential(tokenHashKey),
    tickets,
    ...(config.TLS_CLIENT_ROLES.length > 0 ? [new ClientCertificateCredential(config.TLS_CLIENT_ROLES)] : []),
    new SessionCredential(tokenHashKey),
    new LinkCookieCredential(tokenHashKey),
  ];
}

export function createRuntimes(config: Config): Record<(typeof RUNTIME_NAMES)[number], Runtime> {
  return { generic: new GenericRuntime({ members: config.MAX_JSON_MEMBERS }) };
}

export function createStrategies(
  config: Pick<Config, "LOAD_BALANCER_HASH_KEY">,
): Record<(typeof STRATEGY_NAMES)[number], Strategy> {
  return {
    "round-robin": new RoundRobin(),
    weighted: new RoundRobin(), // weights count in the default too; the name is kept for who looks for it
    "least-requests": new LeastRequests(),
    p2c: new PowerOfTwo(),
    "peak-ewma": new PeakEwma(),
    random: new Random(),
    "ip-hash": new IpHash(),
    "consistent-hash": new ConsistentHash({ key: hashKey(config.LOAD_BALANCER_HASH_KEY) }),
  };
}

/** By driver: the longest run of a call that sets no `timeout_ms`, ms. What others' instances allow is not known. */
export function runLimits(config: Config): { readonly wasm: number } {
  return { wasm: Math.min(config.SANDBOX_RUN_TIMEOUT, config.EXECUTE_MAX_TIMEOUT) };
}

export function createDrivers(options: {
  config: Config;
  runDirectory: string;
  cacheDirectory: string;
  report: InstanceReport;
  warn: (text: string) => void;
}): Record<keyof typeof DRIVERS, Driver> {
  const { config, runDirectory, cacheDirectory, report, warn } = options;
  const uid = process.getuid?.();
  const limits = {
    timeoutMs: runLimits(config).wasm,
    beginMs: ANSWER_MARGIN_MS - 1_000, // a call may wait this long for its turn, and its answer still be in time
    maxTimeoutMs: config.EXECUTE_MAX_TIMEOUT,
    outputBytes: config.SANDBOX_OUTPUT_LIMIT,
    memoryBytes: config.SANDBOX_MEMORY,
    maxRuns: config.SANDBOX_MAX_RUNS,
    bodyBytes: config.MAX_BODY_SIZE,
  };
  return {
    static: new StaticDriver(),
    wasm: new WasmDriver({ runDirectory, cacheDirectory, limits, report, warn, uid }),
  };
}
