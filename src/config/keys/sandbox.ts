import { key, LONGEST, section } from "../key.ts";
import { duration, integer, size } from "../../domain/value/quantities.ts";

export const sandbox = section("sandbox", "Limits of the embedded sandbox (driver wasm).", {
  SANDBOX_RUN_TIMEOUT: key(
    duration("1ms", LONGEST),
    "10s",
    "Longest run when the client asks for none; then the run is killed.",
  ),
  SANDBOX_OUTPUT_LIMIT: key(
    size("1kb", "1gb"),
    "1mb",
    "What is kept of one run's stdout, and of its stderr; the rest is cut.",
  ),
  SANDBOX_MEMORY: key(size("256mb", "64gb"), "512mb", "Memory of one run, its runtime included."),
  SANDBOX_MAX_RUNS: key(integer(1, 64), "2", "Runs of one instance at the same time."),
});
