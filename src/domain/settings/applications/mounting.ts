import { flag } from "../../value/words.ts";
import { group, setting } from "../setting.ts";

/** A custom route says for itself what becomes of its prefix. */
export const mounting = group(
  "Applications",
  { route: false },
  {
    keepPrefix: setting(
      flag(),
      "send the whole path, /s/ID and all, to an application that knows its base URL is /s/ID/ [false]",
    ),
  },
);
