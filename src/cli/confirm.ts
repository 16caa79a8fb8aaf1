import { createInterface } from "node:readline/promises";
import { UsageError } from "./usage-error.ts";

/**
 * Asks before something is destroyed. Without a terminal nobody can be asked, so --yes must say it.
 * @throws UsageError when there is no terminal and no --yes, or the answer was not yes.
 */
export async function confirm(question: string, { yes }: { yes?: boolean }): Promise<void> {
  if (yes === true) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UsageError("nobody can be asked: this is not a terminal", "Add --yes to do it without asking");
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new UsageError("not confirmed, nothing was changed");
  } finally {
    terminal.close();
  }
}
