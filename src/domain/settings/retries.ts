import { flag } from "../value/words.ts";
import { group, setting } from "./setting.ts";

export const retries = group(
  "Retries",
  { route: false },
  {
    retryUnavailable: setting(
      flag(),
      "send a call that may be repeated once more when an instance answers 502, 503 or 504 [false]",
    ),
  },
);
