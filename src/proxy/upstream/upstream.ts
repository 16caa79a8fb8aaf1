import type { Readable } from "node:stream";
import type { Instance } from "../../domain/sandbox.ts";

// The narrow contract between the gateway and the HTTP client behind it, so that the client can be replaced.

/** An instance sent something that is not a proper HTTP/1.1 response. The message is fit for a client's eyes. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

export interface UpstreamRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** The Host field; null = the instance's own address. */
  readonly host: string | null;
  /** Name, value, name, value…; no Host, no connection fields. A content-length among them is kept. */
  readonly headers: string[];
  readonly body: Readable | string | null;
  /** On a connection of its own making: an idle one may have lost its other end unnoticed. */
  readonly fresh: boolean;
}

/** Steers a request that has been started. When it has ended, nothing of this does anything. */
export interface UpstreamControl {
  pause(): void;
  resume(): void;
  /** Ends the request, and its connection if it has one. The handler is told nothing more. */
  abort(): void;
}

/** Told what becomes of a request. After `onEnd` or `onError` nothing more comes. */
export interface UpstreamHandler {
  /** No kept connection was free: a new one is being made. */
  onConnecting(): void;
  /** A connection has been found: the next thing is the first byte of the request. */
  onSent(): void;
  /** Before the head: the fields of a 103. */
  onHints?(fields: readonly string[]): void;
  /** The final response's head. `fields`: lower-case name, value, name, value… in the order received. */
  onHead(status: number, fields: readonly string[]): void;
  onData(chunk: Buffer): void;
  /** Fields that came behind the body; `onEnd` follows. */
  onTrailers?(fields: readonly string[]): void;
  onEnd(): void;
  /** Before `onSent`: nothing has reached the instance. */
  onError(error: Error): void;
}

/**
 * Starts requests to instances over kept-alive connections, one request at a time on each. It has no deadlines: whoever
 * starts a request watches over it, from the wait for a connection on.
 */
export interface UpstreamClient {
  /** The handler hears of it in a later turn of the event loop, never before this returns. */
  start(instance: Instance, request: UpstreamRequest, handler: UpstreamHandler): UpstreamControl;
  /** Lets go of an instance's connections as they finish what they are doing. */
  forget(instanceId: string): void;
  /** The same for every instance that is not in use any more. */
  retain(inUse: ReadonlySet<string>): void;
  /** Destroys all connections at once; what was in flight is told so. */
  close(): void;
}
