import { rate } from "../value/quantities.ts";
import { networks } from "../value/networks.ts";
import { group, setting } from "./setting.ts";

export const access = group(
  "Who may call, and how often",
  { route: false },
  {
    allowIp: setting(networks(), "networks that it may be called from: 10.0.0.0/8,2001:db8::/32 [all]"),
    denyIp: setting(networks(), "networks that it may not be called from, even if allowed above [none]"),
    rateLimit: setting(
      rate(),
      "calls to it, of all its callers together: 100/60s, or 100/60s:20 with at most 20 at once [any]",
    ),
  },
);
