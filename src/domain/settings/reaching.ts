import { ports } from "../value/ports.ts";
import { group, setting } from "./setting.ts";

export const reaching = group(
  "Ports",
  { route: false },
  {
    ports: setting(
      ports(),
      "ports on its instances' hosts at which it may be reached beside their own: 3000,8000-8100 [none]",
    ),
  },
);
