import { key, section } from "../key.ts";
import { duration, offOr } from "../../domain/value/quantities.ts";
import { choice, path } from "../../domain/value/words.ts";

export const audit = section("audit", "The record of every call.", {
  AUDIT_MODE: key(choice("strict", "relaxed"), "strict", "strict: no answer ends before its record is written."),
  AUDIT_FAIL_MODE: key(
    choice("closed", "open"),
    "closed",
    "While records cannot be written: calls are refused, or served all the same.",
  ),
  AUDIT_INTENT: key(
    choice("execute", "all", "off"),
    "execute",
    "Calls that leave a record before they are sent, or are not sent; execute: upgrades too.",
  ),
  AUDIT_DURABILITY: key(
    choice("process", "power"),
    "process",
    "What a written record survives: the end of the process, or a power failure.",
  ),
  AUDIT_SINK_FILE: key(path(), "", "A file that gets every record too, a line of JSON each; empty = none."),
  AUDIT_CHECKPOINT_INTERVAL: key(
    offOr(duration("1s", "365d")),
    "1h",
    "How often what is new in the chain is signed: a record, and a line of the log.",
  ),
  AUDIT_RETENTION: key(
    offOr(duration("1h", "36500d")),
    "off",
    "Older records are dropped, and the chain begins behind them.",
  ),
});
