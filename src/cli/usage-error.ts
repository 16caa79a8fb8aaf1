import type { Value } from "../domain/value/value.ts";
import { GatewayError } from "../errors.ts";

/** The command line itself is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** Undefined: the command's help says it. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** Ctrl-C at a question: exit code 130, without another word. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/**
 * The value of an option that must be there. Commander's own required options are checked before misspelt ones are
 * noticed, so `--subb x` would be answered with "--sub is missing".
 */
export function required(value: string | undefined, option: string): string {
  if (value === undefined) throw new UsageError(`option ${option} is missing`);
  return value;
}

/** The value of an option's text. @throws UsageError that names the option. */
export function parsed<T>(value: Value<T>, text: string, option: string): T {
  try {
    return value.parse(text);
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== "VAL_010") throw error;
    throw new UsageError(`${option}: ${error.details}`, `Give ${option} as: ${value.hint}`);
  }
}
