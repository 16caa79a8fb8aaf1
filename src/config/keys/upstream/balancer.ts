import { key, section } from "../../key.ts";
import { duration } from "../../../domain/value/quantities.ts";
import { choice, hashKeyText } from "../../../domain/value/words.ts";

export const balancer = section("balancer", "How an instance is chosen.", {
  LOAD_BALANCER_STRATEGY: key(
    choice("round-robin", "weighted", "least-requests", "p2c", "peak-ewma", "random", "ip-hash", "consistent-hash"),
    "round-robin",
    "Of sandboxes that name none.",
  ),
  LOAD_BALANCER_HASH_KEY: key(
    hashKeyText(),
    "user",
    "What consistent-hash goes by; a request without it by its address.",
  ),
  STICKY_TTL: key(
    duration("1s", "30d"),
    "1h",
    "Of sandboxes with --sticky: time without a request after which a client may begin elsewhere.",
  ),
  SLOW_START: key(
    duration("0", "1h"),
    "0",
    "Time in which a new instance, or one well again, comes to its full share; 0 = at once.",
  ),
});
