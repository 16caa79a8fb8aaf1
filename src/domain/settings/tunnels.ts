import { duration, integer } from "../value/quantities.ts";
import { group, setting } from "./setting.ts";

const span = duration("1ms", "24d");

export const tunnels = group(
  "Upgraded connections",
  { route: false },
  {
    maxTunnels: setting(
      integer(0, 1_000_000),
      "upgraded connections, like WebSockets, open at the same time [MAX_TUNNELS_PER_SANDBOX]",
    ),
    tunnelIdleTimeout: setting(span, "time in which nothing may move in one [PROXY_TUNNEL_IDLE_TIMEOUT]"),
    tunnelMaxAge: setting(span, "age at which one is closed, however much moves in it [PROXY_TUNNEL_MAX_AGE]"),
  },
);
