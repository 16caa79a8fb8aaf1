import { key, section } from "../key.ts";
import { choice } from "../../domain/value/words.ts";

export const log = section("log", "What the daemon says about itself.", {
  LOG_LEVEL: key(
    choice("trace", "debug", "info", "warn", "error", "fatal", "silent"),
    "info",
    "Least severity to report.",
  ),
  LOG_FORMAT: key(choice("auto", "json", "pretty"), "auto", "auto = pretty on a terminal, JSON elsewhere."),
});
