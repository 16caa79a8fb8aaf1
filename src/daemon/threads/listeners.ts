import type { Server } from "node:http";
import { type AddressInfo, createServer, Server as TcpServer } from "node:net";
import { fdOf } from "../sockets/fd-of.ts";
import { GatewayError } from "../../errors.ts";

/** Where to listen: on a port, or on sockets that listen already. */
export type ListeningPlace =
  | { readonly port: number; readonly reusePort: boolean }
  | { readonly fds: readonly number[] };

/** Connections that may wait to be accepted; the system may allow less. Not in the options: Node ignores it there for an `fd`. */
const BACKLOG = 4096;

/** What one data thread accepts connections with: its HTTP server, and one helper for each further socket it is given. */
export class Listeners {
  readonly #http: Server;
  readonly #all: TcpServer[];

  constructor(http: Server) {
    this.#http = http;
    this.#all = [http];
  }

  /** Descriptors that it listens on. */
  get fds(): readonly number[] {
    return this.#all.map(fdOf);
  }

  get open(): boolean {
    return this.#http.listening;
  }

  /** Resolves with the port. `onError`: what goes wrong later. @throws GatewayError GW_010 */
  async listen(place: ListeningPlace, host: string, onError: (error: Error) => void): Promise<number> {
    if ("port" in place) await listening(this.#http, { ...place, host }, onError);
    for (const [at, fd] of ("fds" in place ? place.fds : []).entries()) {
      await listening(at === 0 ? this.#http : this.#another(), { fd }, onError);
    }
    return (this.#http.address() as AddressInfo).port;
  }

  /** Connections that are open on all of them. */
  async connections(): Promise<number> {
    const counts = await Promise.all(this.#all.map(connectionsOf));
    return counts.reduce((total, count) => total + count, 0);
  }

  /** Accepts no more; idle connections stay open. Resolves when all are closed, which the caller sees to. */
  async stop(): Promise<void> {
    // Not the HTTP server's own `close`: that one closes idle connections, and stops to watch over the others' deadlines.
    await Promise.all(
      this.#all.map((server) => new Promise((resolve) => TcpServer.prototype.close.call(server, resolve))),
    );
    this.#http.close();
  }

  #another(): TcpServer {
    const another = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true, highWaterMark: 64 * 1024 });
    another.on("connection", (socket) => this.#http.emit("connection", socket));
    this.#all.push(another);
    return another;
  }
}

function listening(server: TcpServer, where: object, onError: (error: Error) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => reject(new GatewayError("GW_010", { details: cause.message, cause }));
    server.once("error", failed);
    server.listen(where, BACKLOG, () => {
      server.off("error", failed);
      // A connection that the system could not hand over (no memory, no descriptor) is that connection's loss alone.
      server.on("error", onError);
      resolve();
    });
  });
}

function connectionsOf(server: TcpServer): Promise<number> {
  return new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));
}
