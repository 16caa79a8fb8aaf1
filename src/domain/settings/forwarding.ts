import { transformation } from "../transform/transformation.ts";
import { toldHost } from "../value/networks.ts";
import { duration } from "../value/quantities.ts";
import { group, setting } from "./setting.ts";

export const forwarding = group(
  "Applications",
  { route: true },
  {
    hostHeader: setting(
      toldHost(),
      "the Host an application is told: its instance's own address, what the client asked for, or a name [instance]",
    ),
    transform: setting(
      transformation(),
      "how calls are changed on their way there and back: header fields, query, path, JSON bodies; see docs/transform.md",
    ),
    sseHeartbeat: setting(
      duration("1s", "1h"),
      "silence of an event stream after which its client is sent a comment line [never]",
    ),
  },
);
