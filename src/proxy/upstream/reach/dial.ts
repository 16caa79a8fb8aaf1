import type { Socket } from "node:net";

// The contract between a connection to an instance and what makes its socket.

/** Takes the bytes of a socket; the buffer is read into again after the call. Returns whether to go on reading. */
export interface Reader {
  readonly buffer: Buffer;
  readonly callback: (length: number, buffer: Uint8Array) => boolean;
}

/** Told once what became of a dialing, in a later turn of the event loop; never after `cancel`. */
export interface DialHandler {
  /** Bytes can go. `address`: the IP address at its other end; "" for a socket in the file system. */
  onConnected(socket: Socket, address: string): void;
  onFailed(error: Error): void;
}

/** A connection being made. */
export interface Dialing {
  /** Nothing is made any more. */
  cancel(): void;
}

/** Makes connections to one instance. */
export interface Dialer {
  dial(reader: Reader, handler: DialHandler): Dialing;
  /** Asks again where the instance is, if that may have changed. For instances by name; others are where they are. */
  refresh?(): void;
  /** Whether the instance has moved away from an address to which a connection was made. */
  hasLeft?(address: string): boolean;
}

/** An instance may not be connected to: all its addresses are against the target policy. */
export class TargetRefused extends Error {
  override readonly name = "TargetRefused";
}

/** An instance could not show that it is the one that is meant. `code` is OpenSSL's or Node's. */
export class CertificateRefused extends Error {
  override readonly name = "CertificateRefused";
  readonly code: string;

  constructor(cause: Error) {
    super(cause.message, { cause });
    this.code = "code" in cause && typeof cause.code === "string" ? cause.code : "ERR_TLS_CERT";
  }
}
