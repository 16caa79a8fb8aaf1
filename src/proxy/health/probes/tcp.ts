import type { Reader } from "../../upstream/reach/dial.ts";
import { TargetRefused } from "../../upstream/reach/dial.ts";
import { type Ask, reasonOf } from "./probe.ts";

/** Nothing is expected, and what comes is not looked at. */
const NOBODY_READS: Reader = { buffer: Buffer.alloc(512), callback: () => true };

/** An instance is well that accepts a connection; behind TLS, when the handshake is done. */
export const askByTcp: Ask = ({ reached }, done) =>
  reached().dialer.dial(NOBODY_READS, {
    onConnected(socket) {
      socket.on("error", () => undefined); // one more may come before it is gone
      socket.destroy();
      done(null);
    },
    onFailed: (error) => done(error instanceof TargetRefused ? "its address is not allowed" : reasonOf(error)),
  });
