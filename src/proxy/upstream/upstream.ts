import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { Instance } from "../../domain/sandbox.ts";

// The narrow contract between the gateway and the HTTP client behind it, so that the client can be replaced.

/** An instance sent something that is not a proper HTTP/1.1 response. The message is fit for a client's eyes. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** The protocol that a connection may go on in after a 101. */
export interface Switch {
  readonly protocol: string;
  /** What its Sec-WebSocket-Accept must be; null where there is none. */
  readonly accept: string | null;
}

/** A connection to an instance that speaks another protocol by now. Who takes it over has to end it. */
export interface Wire {
  readonly socket: Socket;
  /** Bytes that came right behind the 101. */
  readonly early: Buffer;
  /** Told of what comes after them. The bytes are the receiver's own. */
  onData: (chunk: Buffer) => void;
}

export interface UpstreamRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Where it goes on the instance's host; null = to the instance's own port. */
  readonly port: number | null;
  /** The Host field; null = the address that is connected to. */
  readonly host: string | null;
  /** Name, value, name, value…; no Host, no connection fields. A content-length among them is kept. */
  readonly headers: string[];
  readonly body: Readable | string | null;
  /** On a connection of its own making: an idle one may have lost its other end unnoticed. */
  readonly fresh: boolean;
  /** Offered to the instance; without it, a 101 is an error. */
  readonly upgrade?: Switch | null;
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
  /** The instance has taken up the offer. Nothing more comes but by the wire. */
  onSwitch(fields: readonly string[], wire: Wire): void;
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
