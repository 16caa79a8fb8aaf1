import { duration, integer } from "../../domain/value/quantities.ts";
import { flag } from "../../domain/value/words.ts";
import { key, section } from "../key.ts";

export const session = section("session", "What browsers go on with in the place of a token.", {
  SESSION_IDLE_TIMEOUT: key(
    duration("1m", "365d"),
    "30m",
    "A session that nothing was called with for this long ends.",
  ),
  SESSION_MAX_AGE: key(
    duration("1m", "365d"),
    "12h",
    "A session ends then whatever it is used for, or with its token.",
  ),
  SESSION_MAX_PER_SUBJECT: key(integer(1, 10_000), "20", "Open sessions of one subject; another one ends the oldest."),
  BROWSER_HOST_FORM: key(
    flag(),
    "true",
    "With GATEWAY_DOMAIN: a session by path is sent on to the sandbox's own host.",
  ),
});
