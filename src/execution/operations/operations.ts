// Every operation the gateway knows something of, by name: the only list of them. Others travel to the sandbox unlooked at.

import { z } from "zod";
import type { Operation } from "./operation.ts";
import { runCode } from "./run-code.ts";
import { runCommand } from "./run-command.ts";

export const OPERATIONS: ReadonlyMap<string, Operation> = new Map(
  [runCode, runCommand].map((operation) => [operation.name, operation]),
);

/** What is recorded of an operation without a file here: its `code`, or else its `command`, when that is text. */
export const OTHER_PAYLOAD: Operation["payload"] = z
  .object({ code: z.unknown().optional(), command: z.unknown().optional(), language: z.unknown().optional() })
  .transform(({ code, command, language }) => ({ code: textOf(code ?? command), language: textOf(language) }));

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
