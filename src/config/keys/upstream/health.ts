import { key, section } from "../../key.ts";
import { programs, requestPath, statuses } from "../../../domain/value/health.ts";
import { duration, integer } from "../../../domain/value/quantities.ts";
import { choice } from "../../../domain/value/words.ts";

export const health = section("health", "How instances are asked whether they are well, where that is wanted.", {
  HEALTH_CHECK: key(
    choice("off", "http", "tcp"),
    "off",
    "Of sandboxes that name none, but for what the gateway starts itself; circuits there are always.",
  ),
  HEALTH_CHECK_PATH: key(requestPath(), "/health", "What an http check asks for."),
  HEALTH_CHECK_STATUS: key(statuses(), "200-399", "Statuses of an instance that is well; no redirect is followed."),
  HEALTH_CHECK_INTERVAL: key(
    duration("100ms", "1d"),
    "5s",
    "Time between two of an instance; while it fails a fifth of that, 1 s at least.",
  ),
  HEALTH_CHECK_TIMEOUT: key(duration("10ms", "10m"), "2s", "Time a check may take, its connection included."),
  HEALTHY_THRESHOLD: key(integer(1, 100), "2", "Checks in a row that go well until one that was down is used again."),
  UNHEALTHY_THRESHOLD: key(integer(1, 100), "3", "Checks in a row that fail until an instance gets nothing new."),
  HEALTH_CHECK_CONCURRENCY: key(
    integer(1, 10_000),
    "100",
    "Checks at the same time, of which those of instances that are down take half at most.",
  ),
  HEALTH_PROGRAMS: key(programs(), "", "What sandboxes may name as --health-program; run as the gateway's user."),
  PANIC_THRESHOLD: key(
    integer(0, 100),
    "50",
    "When fewer than this part of a sandbox's instances is well, percent, all of them are used; 0 = never.",
  ),
});
