import { key, section } from "../key.ts";
import { networks } from "../../domain/value/networks.ts";

export const access = section("access", "Where calls may come from.", {
  IP_ALLOW_LIST: key(networks(), "", "Networks that may call; empty = all."),
  ADMIN_IP_ALLOW_LIST: key(networks(), "", "Networks from which the admin listener may be called; empty = all."),
  IP_DENY_LIST: key(networks(), "", "Networks that may not call, even if allowed above."),
});
