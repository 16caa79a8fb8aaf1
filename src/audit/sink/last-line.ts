import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { GatewayError, hasCode } from "../../errors.ts";

/** The last whole line that a sink's file holds: which record it is. */
export interface LastLine {
  readonly seq: number;
  /** Of the link that the record was committed with, hex. */
  readonly hash: string;
}

/** Longer than any line: a record names things and holds no payload. */
const TAIL_BYTES = 1 << 20;

/**
 * The last record in a sink's file; what stands behind it, half a line after a crash, does not count. Undefined when there is no
 * such file, or none in it. @throws GatewayError GW_015 when the file ends in something else.
 */
export function lastLineOf(file: string): LastLine | undefined {
  const tail = tailOf(file);
  if (tail === undefined) return undefined;
  const lines = tail
    .slice(0, tail.lastIndexOf("\n") + 1)
    .trimEnd()
    .split("\n");
  const last = lines.at(-1) ?? "";
  if (last === "") return undefined;
  try {
    const { seq, hash } = JSON.parse(last) as Partial<LastLine>;
    if (Number.isSafeInteger(seq) && typeof hash === "string") return { seq: seq as number, hash };
  } catch {
    // No line of ours: reported below.
  }
  throw new GatewayError("GW_015", { details: `${file} does not end in a record: it cannot be gone on with` });
}

function tailOf(file: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw new GatewayError("GW_015", { details: `${file} cannot be read`, cause: error });
  }
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const read = readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString("utf8", 0, read);
  } finally {
    closeSync(fd);
  }
}
