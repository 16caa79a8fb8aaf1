import type { Readable } from "node:stream";
import type { Instance } from "../domain/sandbox.ts";

// The narrow contract between the gateway and the HTTP client behind it, so that the client can be replaced.

export interface UpstreamRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Name, value, name, value…; no Host, no connection fields. A content-length among them is kept. */
  readonly headers: string[];
  readonly body: Readable | string | null;
}

/** Steers a request that has been started. */
export interface UpstreamControl {
  pause(): void;
  resume(): void;
  /** Ends the request and destroys its connection; the handler is told through `onError`. */
  abort(reason: Error): void;
}

/** Told what becomes of a request. After `onEnd` or `onError` nothing more comes. */
export interface UpstreamHandler {
  /** A connection has been found: the next thing is the first byte of the request. */
  onSent(control: UpstreamControl): void;
  /** The final response's head. `fields`: name, value, name, value… as received. */
  onHead(status: number, fields: readonly Buffer[]): void;
  /** Keeps a reference to the chunk only until it returns, unless it copies it or the chunk is passed on. */
  onData(chunk: Buffer): void;
  onEnd(): void;
  /** Before `onSent`: nothing has reached the instance. */
  onError(error: Error): void;
}

/** Starts requests to instances over kept-alive connections, one request at a time on each. */
export interface UpstreamClient {
  start(instance: Instance, request: UpstreamRequest, handler: UpstreamHandler): void;
  /** Lets go of an instance's connections as they finish what they are doing. */
  forget(instanceId: string): void;
  /** The same for every instance that is not in use any more. */
  retain(inUse: ReadonlySet<string>): void;
  /** Waits for nothing: destroys all connections. */
  close(): Promise<void>;
}
