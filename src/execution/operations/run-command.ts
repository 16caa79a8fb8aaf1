import { z } from "zod";
import type { Operation } from "./operation.ts";

/** Runs a command line in the sandbox's shell. The command is what runs: it cannot hide behind harmless `code`. */
export const runCommand: Operation = {
  name: "run_command",
  payload: z
    .object({ command: z.string().min(1), language: z.string().catch("") })
    .transform(({ command, language }) => ({ code: command, language })),
};
