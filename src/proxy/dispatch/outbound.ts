import type { Readable } from "node:stream";
import type { GatewayError } from "../../errors.ts";
import type { Switch } from "../upstream/upstream.ts";
import type { Outcome } from "../../observe/metric-slots.ts";

/** What is to be sent to an instance. */
export interface Outbound {
  readonly method: string;
  readonly path: string;
  readonly headers: string[];
  readonly upgrade?: Switch | null;
  /** null: none. A stream is made anew for each attempt; once any of it has been read, only `kept` can send it again. */
  readonly body: string | ((control: BodyControl) => Readable) | null;
  /** May be sent again after it may have reached an instance: RFC 9110 section 9.2.2, or its Idempotency-Key says so. */
  readonly idempotent: boolean;
  /** What has been read of a streamed body; null when it is not kept. */
  readonly kept: { readonly whole: boolean; drop(): void } | null;
}

/** How a streamed body tells where it stands. */
export interface BodyControl {
  /** The body is on its way. Now the client must send more of it, or the instance take what came and answer. */
  bodyProgress(turn: "client" | "instance"): void;
  /** Ends the call: the body must not go on. */
  cancel(error: GatewayError, outcome: Outcome): void;
}
