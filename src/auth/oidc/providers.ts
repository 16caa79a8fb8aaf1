import type { Config } from "../../config/schema.ts";
import { targetPolicy } from "../../domain/target-policy.ts";
import { discoverKeys } from "./discover.ts";
import { fetchDocument } from "./fetch-document.ts";
import { ProviderKeys } from "./provider-keys.ts";
import { OidcVerifier } from "./verify.ts";

/** A verifier for each identity provider of the configuration. Nothing is asked before the first token. */
export function createProviders(config: Config): OidcVerifier[] {
  return config.OIDC_ISSUER.map(
    ({ name, issuer }, index) =>
      new OidcVerifier({
        name,
        issuer,
        audiences: config.OIDC_AUDIENCE,
        keys: new ProviderKeys({
          fetch: keysOf(issuer, config.JWKS_URL[index], config),
          ttlMs: config.JWKS_CACHE_TTL,
          staleMs: config.JWKS_STALE_TTL,
          cooldownMs: config.JWKS_COOLDOWN,
          now: () => performance.now(),
        }),
        roleClaim: config.OIDC_ROLE_CLAIM,
        roleMap: config.OIDC_ROLE_MAP,
        clockSkewMs: config.TOKEN_CLOCK_SKEW,
        now: Date.now,
      }),
  );
}

/** Where they are is asked for once, and again when they are no longer there. */
function keysOf(issuer: string, url: string | undefined, config: Config): () => Promise<Buffer> {
  const targets = targetPolicy(config.TARGET_ALLOW, config.TARGET_DENY);
  const fetch = (from: string): Promise<Buffer> => fetchDocument(from, { targets, timeoutMs: config.JWKS_TIMEOUT });
  let known = url;
  return async () => {
    known ??= await discoverKeys(issuer, fetch);
    try {
      return await fetch(known);
    } catch (error) {
      known = url;
      throw error;
    }
  };
}
