import { readFileSync, statSync } from "node:fs";
import { UsageError } from "../usage-error.ts";

/** The text of the file that `option` names. @throws UsageError when it cannot be read, or has more than `most` bytes. */
export function readText(file: string, option: string, most: number): string {
  try {
    const stat = statSync(file);
    if (!stat.isFile() && !stat.isFIFO()) throw new UsageError(`${option}: ${file} is no file`);
    if (stat.size > most) throw new UsageError(`${option}: ${file} has more than ${most} bytes`);
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${option}: ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}
