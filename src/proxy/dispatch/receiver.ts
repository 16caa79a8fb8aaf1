import type { GatewayError } from "../../errors.ts";
import type { Wire } from "../upstream/upstream.ts";

/** Takes the answer. After `end` or `failed` nothing more comes. A GatewayError thrown from `head` or `data` fails the call. */
export interface Receiver {
  /** `fields`: lower-case name, value, name, value… `control` steers what follows. */
  head(status: number, fields: readonly string[], control: AnswerControl): void;
  data(chunk: Buffer): void;
  /** Before the head: the fields of a 103. A further attempt may bring them again. */
  hints?(fields: readonly string[]): void;
  /** Fields behind the body; `end` follows. */
  trailers?(fields: readonly string[]): void;
  end(): void;
  /** Instead of an answer: the instance has taken up the offer. The receiver ends the wire, also when it throws or is told that the call failed. */
  switched?(fields: readonly string[], wire: Wire, control: TunnelControl): void;
  failed(error: GatewayError): void;
}

/** Steers an answer that has begun. When it has ended, nothing of this does anything. */
export interface AnswerControl {
  /** Stops the instance's answer until the client has read what it was sent. */
  pause(): void;
  resume(): void;
}

/** How whoever has taken over a connection tells that it has ended: until then the call holds its place at the instance. */
export interface TunnelControl {
  /** It ends when nothing has moved for so long, ms. */
  readonly idleMs: number;
  /** The same once one side has said all that it has to say. */
  readonly halfOpenMs: number;
  ended(outcome: "delivered" | "broken" | "client_gone"): void;
}
