/** The command line itself is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly hint: string;

  constructor(message: string, hint = "See sandboxgw --help") {
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
