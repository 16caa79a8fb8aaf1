import { connect, type NetConnectOpts, type Socket } from "node:net";
import type { DialHandler, Dialing, Reader } from "./dial.ts";

/** RFC 8305 section 5: how long one address has before the next is tried beside it. */
const STAGGER_MS = 250;

/** Where to connect to: what stands first is tried first. */
export type Endpoint = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * Connects to the first of some endpoints that accepts (happy eyeballs, RFC 8305): the next is begun when those before have
 * failed or taken their time, and those that come later are destroyed. Each endpoint is an address already, so that what is
 * connected to is what was checked.
 */
export class Race implements Dialing {
  readonly #endpoints: readonly Endpoint[];
  readonly #reader: Reader | null;
  readonly #handler: DialHandler;
  readonly #running = new Set<Socket>();
  #next = 0;
  #timer: NodeJS.Timeout | undefined;
  #firstError: Error | undefined;
  #over = false;

  /** `reader`: null when somebody else will read the socket. There is at least one endpoint. */
  constructor(endpoints: readonly Endpoint[], reader: Reader | null, handler: DialHandler) {
    this.#endpoints = endpoints;
    this.#reader = reader;
    this.#handler = handler;
    this.#begin();
  }

  cancel(): void {
    this.#end();
  }

  readonly #begin = (): void => {
    clearTimeout(this.#timer);
    const endpoint = this.#endpoints[this.#next++] as Endpoint;
    const socket = connect(connectOptions(endpoint, this.#reader));
    this.#running.add(socket);
    socket
      .once("connect", () => this.#won(socket, endpoint))
      // It stays for as long as the socket lives: one that lost may still fail.
      .on("error", (error) => this.#lost(socket, error));
    if (this.#next < this.#endpoints.length) this.#timer = setTimeout(this.#begin, STAGGER_MS);
  };

  #won(socket: Socket, endpoint: Endpoint): void {
    if (this.#over) return void socket.destroy();
    this.#running.delete(socket);
    this.#end();
    this.#handler.onConnected(socket, "host" in endpoint ? endpoint.host : "");
  }

  #lost(socket: Socket, error: Error): void {
    if (this.#over) return;
    this.#running.delete(socket);
    this.#firstError ??= error;
    if (this.#next < this.#endpoints.length) return this.#begin();
    if (this.#running.size > 0) return;
    this.#end();
    this.#handler.onFailed(this.#firstError);
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    for (const socket of this.#running) socket.destroy();
    this.#running.clear();
  }
}

function connectOptions(endpoint: Endpoint, reader: Reader | null): NetConnectOpts {
  const options = { ...endpoint, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 };
  return reader === null ? options : { ...options, onread: reader };
}
