import { z } from "zod";
import type { Operation } from "./operation.ts";

/** Runs a program in a language that the sandbox knows. */
export const runCode: Operation = {
  name: "run_code",
  payload: z.object({ code: z.string(), language: z.string().min(1).max(64).default("") }),
};
