import { key, LONGEST, section } from "../key.ts";
import { duration } from "../values.ts";

export const execute = section("execute", "POST /api/v1/sandbox/execute.", {
  EXECUTE_MAX_TIMEOUT: key(duration("1ms", LONGEST), "300s", "Longest run a client may ask for."),
});
