import { duration } from "../value/quantities.ts";
import { group, setting } from "./setting.ts";

export const timeouts = group(
  "Timeouts",
  { route: true },
  {
    firstByteTimeout: setting(duration("1ms", "24d"), "time an instance has to begin its answer [PROXY_TIMEOUT]"),
  },
);
