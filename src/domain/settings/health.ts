import { programName, requestPath, statuses } from "../value/health.ts";
import { duration, integer } from "../value/quantities.ts";
import { choice, flag } from "../value/words.ts";
import { group, setting } from "./setting.ts";

export const health = group(
  "Health checks",
  { route: false },
  {
    healthCheck: setting(
      choice("off", "http", "tcp", "exec"),
      "how instances are asked whether they are well: over http, by a tcp connection, by a program [HEALTH_CHECK]",
    ),
    healthPath: setting(requestPath(), "what an http check asks for [HEALTH_CHECK_PATH]"),
    healthStatus: setting(statuses(), "statuses of an instance that is well [HEALTH_CHECK_STATUS]"),
    healthProgram: setting(programName(), "the program of an exec check, by its name in HEALTH_PROGRAMS"),
    healthInterval: setting(
      duration("100ms", "1d"),
      "time between two checks of an instance; a fifth of it, but 1 s at least, while it fails [HEALTH_CHECK_INTERVAL]",
    ),
    healthTimeout: setting(duration("10ms", "10m"), "time a check may take [HEALTH_CHECK_TIMEOUT]"),
    healthRise: setting(
      integer(1, 100),
      "checks in a row that go well until an instance that was down is used again [HEALTHY_THRESHOLD]",
    ),
    healthFall: setting(
      integer(1, 100),
      "checks in a row that fail until an instance gets nothing new [UNHEALTHY_THRESHOLD]",
    ),
    panicThreshold: setting(
      integer(0, 100),
      "when fewer than this part of the instances is well, percent, all of them are used; 0 = never [PANIC_THRESHOLD]",
    ),
    failOpen: setting(
      flag(),
      "when checks say that all instances are down, try them all the same instead of answering 503 at once [false]",
    ),
  },
);
