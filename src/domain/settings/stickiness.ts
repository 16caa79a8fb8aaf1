import { duration } from "../value/quantities.ts";
import { stickyText } from "../value/words.ts";
import { group, setting } from "./setting.ts";

export const stickiness = group(
  "Stickiness",
  { route: false },
  {
    sticky: setting(
      stickyText(),
      "what keeps a client on the instance it began on: a cookie of the gateway's, its token, whose token it is, or a field [nothing]",
    ),
    stickyTtl: setting(
      duration("1s", "30d"),
      "time without a request after which it may begin on another [STICKY_TTL]",
    ),
  },
);
