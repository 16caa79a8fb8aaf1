import { key, LONGEST, section } from "../key.ts";
import { duration, integer } from "../../domain/value/quantities.ts";

export const execute = section("execute", "POST /api/v1/sandbox/execute.", {
  EXECUTE_MAX_TIMEOUT: key(duration("1ms", LONGEST), "300s", "Longest run a client may ask for."),
  MAX_JSON_MEMBERS: key(
    integer(1_000, 10_000_000),
    "50000",
    "Most members of objects in a call or an answer; ten times as many array elements.",
  ),
});
