import { duration } from "../../domain/value/quantities.ts";
import { documentUrls, issuers, labels, roleMap } from "../../domain/value/providers.ts";
import { label } from "../../domain/value/words.ts";
import { key, section } from "../key.ts";

export const oidc = section("oidc", "Tokens of identity providers, where AUTH_PROVIDER has oidc (docs/tokens.md).", {
  OIDC_ISSUER: key(issuers(), "", "The iss of their tokens; name=… or the host goes before their subjects."),
  OIDC_AUDIENCE: key(labels(), "", "The aud that their tokens must carry one of."),
  OIDC_ROLE_CLAIM: key(label(), "role", "The claim with a role, or a list of them; dots go into objects."),
  OIDC_ROLE_MAP: key(
    roleMap(),
    "",
    "value=role of what the claim may say; the first that it says counts. Empty = it names roles.",
  ),
  JWKS_URL: key(
    documentUrls(),
    "",
    "Where their keys are, in the order of OIDC_ISSUER; empty = as they say themselves.",
  ),
  JWKS_CACHE_TTL: key(duration("1s", "1d"), "10m", "Age from which on keys are asked for anew."),
  JWKS_STALE_TTL: key(duration("0s", "30d"), "24h", "Age up to which keys are good that cannot be had anew."),
  JWKS_COOLDOWN: key(duration("1s", "1h"), "30s", "Least time between two times of asking a provider."),
  JWKS_TIMEOUT: key(duration("100ms", "1m"), "5s", "Time an answer may take, its connection included."),
});
