import type { StatusRange } from "../../../domain/value/health.ts";
import { Attempt, Connection } from "../../upstream/http1/connection.ts";
import { TargetRefused } from "../../upstream/reach/dial.ts";
import { ProtocolError, type UpstreamHandler } from "../../upstream/upstream.ts";
import { type Asking, type Finding, reasonOf, type Target } from "./probe.ts";

/** Read into by all checks in turn: nothing of it is kept. */
const BUFFER = Buffer.allocUnsafeSlow(16 * 1024);
/** An answer that is longer than this is not read to its end: its status has been seen. */
const MAX_BODY = 64 * 1024;

/**
 * An instance is well that answers with one of the statuses, to the end of the answer or MAX_BODY of it. The connection is
 * of the check's own, so that it says whether the instance accepts any, and is closed after it. No redirect is followed.
 */
export function askByHttp(target: Target, done: (finding: Finding) => void): Asking {
  const { check, told, reached } = target;
  const { dialer, host } = reached();
  const fields = ["user-agent", "sandboxgw-health", "accept", "*/*", "connection", "close"];
  let isWell = false;
  let length = 0;
  const end = (finding: Finding): void => {
    attempt.abort();
    done(finding);
  };
  const handler: UpstreamHandler = {
    onConnecting: () => undefined,
    onSent: () => undefined,
    onHead(status) {
      isWell = includes(check.statuses, status);
      if (!isWell) end(`status ${status}`);
    },
    onData(chunk) {
      length += chunk.length;
      if (length > MAX_BODY) end(null);
    },
    onSwitch(_, { socket }) {
      socket.destroy(); // not asked for: the connection refuses it before
    },
    onEnd: () => done(null),
    onError: (error) => done(problemOf(error, isWell)),
  };
  const request = { method: "GET", port: null, path: check.path, host: told, headers: fields, body: null, fresh: true };
  const attempt = new Attempt(request, handler);
  const connection: Connection = new Connection(
    { dialer, host, buffer: BUFFER, onFree: () => connection.destroy(), onGone: () => undefined },
    attempt,
  );
  return { cancel: () => attempt.abort() };
}

function includes(ranges: readonly StatusRange[], status: number): boolean {
  return ranges.some(([least, most]) => status >= least && status <= most);
}

function problemOf(error: Error, hadHead: boolean): string {
  if (error instanceof TargetRefused) return "its address is not allowed";
  if (error instanceof ProtocolError) return `not HTTP: ${error.message}`;
  return hadHead ? `the answer broke off: ${reasonOf(error)}` : reasonOf(error);
}
