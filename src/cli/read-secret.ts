import type { Readable } from "node:stream";
import { UsageError } from "./usage-error.ts";

const LIMIT = 64 * 1024;

/** All of a stream as text, without the white space around it. @throws UsageError when it is empty or far too long. */
export async function readSecret(stream: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8")) {
    text += String(chunk);
    if (text.length > LIMIT) throw new UsageError("stdin is too long for a token");
  }
  const secret = text.trim();
  if (secret === "") throw new UsageError("stdin is empty");
  return secret;
}
