import type { IncomingMessage } from "node:http";

// Closing a connection while the client is still sending makes the kernel reset it, and the client loses the answer.
// So what comes in is read away for a while: for as long as it takes a client to notice, and not for a flood.

export const LINGER_BYTES = 64 * 1024;
export const LINGER_MS = 500;

/** Reads the rest of a request away and calls `end` when it has come, when it was enough, or when time is up. */
export function linger(req: IncomingMessage, end: () => void): void {
  let read = 0;
  const stop = (): void => {
    clearTimeout(timer);
    req.off("data", onData).off("end", stop);
    req.pause();
    end();
  };
  const onData = (chunk: Buffer): void => {
    read += chunk.length;
    if (read > LINGER_BYTES) stop();
  };
  const timer = setTimeout(stop, LINGER_MS);
  req.on("data", onData).once("end", stop);
  req.resume();
}
