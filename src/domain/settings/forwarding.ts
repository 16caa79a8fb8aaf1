import { toldHost } from "../value/networks.ts";
import { flag } from "../value/words.ts";
import { group, setting } from "./setting.ts";

export const forwarding = group(
  "Applications",
  { route: true },
  {
    keepPrefix: setting(
      flag(),
      "send the whole path, /s/ID and all, to an application that knows its base URL is /s/ID/ [false]",
    ),
    hostHeader: setting(
      toldHost(),
      "the Host an application is told: its instance's own address, what the client asked for, or a name [instance]",
    ),
  },
);
