import { key, section } from "../key.ts";
import { duration, flag, integer } from "../values.ts";

export const limits = section("limits", "How much one caller may have.", {
  RATE_LIMIT_ENABLED: key(flag(), "true", "Whether the limits below hold."),
  RATE_LIMIT_REQUESTS: key(integer(1, 10_000_000), "100", "Requests per window, for each caller and for each address."),
  RATE_LIMIT_WINDOW: key(duration("1ms", "30d"), "60s", "Length of the window."),
  RATE_LIMIT_BURST: key(integer(1, 10_000_000), "20", "Requests that may come at once before the rate is enforced."),
});
