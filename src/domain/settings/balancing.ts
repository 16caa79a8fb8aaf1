import { duration, integer } from "../value/quantities.ts";
import { group, setting } from "./setting.ts";

export const balancing = group(
  "Balancing",
  { route: false },
  {
    softLimit: setting(
      integer(0, 1_000_000),
      "requests in flight from which an instance gets no more while another has fewer; 0 = none",
    ),
    hardLimit: setting(integer(0, 1_000_000), "requests in flight that an instance never gets more than; 0 = none"),
    slowStart: setting(
      duration("0", "1h"),
      "time in which an instance that is new, or well again, comes to its full share [SLOW_START]",
    ),
  },
);
