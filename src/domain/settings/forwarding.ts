import { toldHost } from "../value/networks.ts";
import { group, setting } from "./setting.ts";

export const forwarding = group(
  "Applications",
  { route: true },
  {
    hostHeader: setting(
      toldHost(),
      "the Host an application is told: its instance's own address, what the client asked for, or a name [instance]",
    ),
  },
);
