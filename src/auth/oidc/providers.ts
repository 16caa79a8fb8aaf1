import type { Config } from "../../config/schema.ts";
import type { KeySource } from "./key-source.ts";
import { ProviderKeys } from "./provider-keys.ts";
import { OidcVerifier } from "./verify.ts";

/** A verifier for each identity provider of the configuration. Nothing is asked before the first token. */
export function createProviders(config: Config, source: KeySource): OidcVerifier[] {
  return config.OIDC_ISSUER.map(
    ({ name, issuer }) =>
      new OidcVerifier({
        name,
        issuer,
        audiences: config.OIDC_AUDIENCE,
        keys: new ProviderKeys({
          read: () => source.readKeys(issuer),
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
