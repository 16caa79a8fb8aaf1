import { key, section } from "../key.ts";
import { choices } from "../../domain/value/providers.ts";
import { duration, integer } from "../../domain/value/quantities.ts";
import { flag, label, secret } from "../../domain/value/words.ts";

export const auth = section("auth", "Who may call.", {
  AUTH_ENABLED: key(flag(), "true", "false lets everyone in as an executor: for a closed network only."),
  AUTH_PROVIDER: key(choices("jwt", "oidc"), "jwt", "Whose tokens are good: the gateway's own, identity providers'."),
  TOKEN_SECRET: key(secret(32), "", "Signs and checks tokens (HS256); empty = one made at first start."),
  TOKEN_ISSUER: key(label(), "sandboxgw", "The iss that tokens are made with and must carry."),
  TOKEN_AUDIENCE: key(label(), "sandboxgw", "The aud that tokens are made with and must carry."),
  AUTH_TOKEN_EXPIRY: key(duration("1s", "3650d"), "3600", "Lifetime of a new token when none is asked for."),
  API_KEY_EXPIRY: key(duration("1s", "3650d"), "90d", "Lifetime of a new API key when none is asked for."),
  TOKEN_CLOCK_SKEW: key(duration("0s", "10m"), "30s", "How far the clocks of token makers may be off."),
  TOKEN_CACHE_SIZE: key(integer(0, 10_000_000), "10000", "Verified tokens kept in memory, per data thread."),
});
