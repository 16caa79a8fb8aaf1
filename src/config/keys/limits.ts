import { key, section } from "../key.ts";
import { autoOr, duration, integer, namedRates, offOr } from "../../domain/value/quantities.ts";
import { flag } from "../../domain/value/words.ts";

const requests = integer(1, 10_000_000);
const window = duration("1ms", "30d");

export const limits = section("limits", "How much one caller may have.", {
  RATE_LIMIT_ENABLED: key(flag(), "true", "Whether the limits below hold."),
  RATE_LIMIT_REQUESTS: key(requests, "100", "Execute and API calls per window, for each caller."),
  RATE_LIMIT_WINDOW: key(window, "60s", "Length of the window."),
  RATE_LIMIT_BURST: key(autoOr(requests), "auto", "How many of them may come at once; auto = a whole window's."),
  PROXY_RATE_LIMIT_REQUESTS: key(requests, "6000", "Proxied requests per window, for each caller."),
  PROXY_RATE_LIMIT_WINDOW: key(window, "60s", "Length of the window."),
  PROXY_RATE_LIMIT_BURST: key(autoOr(requests), "auto", "How many of them may come at once; auto = a whole window's."),
  ADDRESS_RATE_LIMIT_REQUESTS: key(
    autoOr(integer(1, 1_000_000_000)),
    "auto",
    "Requests per RATE_LIMIT_WINDOW from each address; auto = ten callers' of both kinds.",
  ),
  ROLE_RATE_LIMITS: key(namedRates(), "", "Requests of any kind for each caller of a role: executor=1000/60s:100."),
  OPERATION_RATE_LIMITS: key(namedRates(), "", "Execute calls of an operation for each caller: run_code=60/60s."),
  AUTH_LOCKOUT_ATTEMPTS: key(
    offOr(integer(2, 1_000_000)),
    "10",
    "Credentials that are nobody's, after which an address may show no new ones for a while.",
  ),
  AUTH_LOCKOUT_DURATION: key(window, "5m", "How long that is, and the time within which they are counted."),
});
