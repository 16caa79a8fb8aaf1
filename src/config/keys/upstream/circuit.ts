import { key, section } from "../../key.ts";
import { duration, integer } from "../../../domain/value/quantities.ts";

export const circuit = section("circuit", "When an instance that fails is left alone, and for how long.", {
  CIRCUIT_FAILURE_THRESHOLD: key(
    integer(0, 255),
    "5",
    "Failures in a row after which it is left alone; 0 = never. Never more than half of a sandbox's.",
  ),
  CIRCUIT_ERROR_RATE: key(
    integer(1, 100),
    "50",
    "Or when this part failed, percent, of at least CIRCUIT_MIN_REQUESTS within CIRCUIT_WINDOW.",
  ),
  CIRCUIT_MIN_REQUESTS: key(integer(1, 1_000_000), "20", "Calls that the error rate is taken from, at least."),
  CIRCUIT_WINDOW: key(duration("1s", "1h"), "10s", "The time that the error rate is taken over."),
  CIRCUIT_OPEN_DURATION: key(
    duration("100ms", "1d"),
    "10s",
    "For this time × the times it failed again, and up to a fifth longer; then one call tries.",
  ),
  CIRCUIT_OPEN_MAX: key(duration("100ms", "1d"), "5m", "But no longer than this."),
});
