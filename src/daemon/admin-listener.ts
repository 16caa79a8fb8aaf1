import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { canonicalAddress } from "../auth/addresses/network-list.ts";
import { fdOf } from "./sockets/fd-of.ts";
import { ADMIN_LISTENER, cannotListen } from "./cannot-listen.ts";

/**
 * The listener for operators and orchestrators: `/livez` (the process answers), `/readyz` (send it traffic), `/metrics`.
 * Apart from the data path's listeners, so it answers while those are busy or draining.
 */
export class AdminListener {
  readonly #server: Server;

  constructor(options: {
    /** Why no traffic should be sent; undefined when it should. */
    notReady: () => string | undefined;
    /** Whether it may be called from an address, in one spelling. */
    allows: (address: string) => boolean;
    metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  }) {
    this.#server = createServer({ headersTimeout: 10_000, requestTimeout: 10_000, connectionsCheckingInterval: 1000 });
    this.#server.maxConnections = 256;
    this.#server.on("connection", (socket) => {
      socket.on("error", () => undefined); // nothing that one connection does may end the process
      if (!options.allows(canonicalAddress(socket.remoteAddress ?? ""))) socket.destroy();
    });
    this.#server.on("request", (req, res) => {
      if (req.method !== "GET" && req.method !== "HEAD") return answer(res, 405, "method not allowed\n");
      if (req.url === "/livez") return answer(res, 200, "ok\n");
      if (req.url === "/readyz") {
        const reason = options.notReady();
        return answer(res, reason === undefined ? 200 : 503, `${reason ?? "ok"}\n`);
      }
      if (req.url !== "/metrics") return answer(res, 404, "not found\n");
      options.metrics().then(
        ({ contentType, text }) => answer(res, 200, text, contentType),
        () => answer(res, 500, "metrics failed\n"),
      );
    });
  }

  /** Resolves with the port. @throws GatewayError GW_010 */
  listen(where: { readonly host: string; readonly port: number } | { readonly fd: number }): Promise<number> {
    return new Promise((resolve, reject) => {
      // It stays: a connection that the system could not hand over later is that connection's loss alone.
      this.#server.on("error", (cause) => reject(cannotListen(cause, ADMIN_LISTENER)));
      this.#server.listen(where, () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  get fd(): number {
    return fdOf(this.#server);
  }

  /** Accepts no more: another process does. What is being answered is still answered. */
  leave(): void {
    this.#server.close();
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

function answer(res: ServerResponse, status: number, text: string, contentType = "text/plain; charset=utf-8"): void {
  res.writeHead(status, {
    "content-type": contentType,
    "cache-control": "no-store",
    "content-length": Buffer.byteLength(text),
  });
  res.end(text);
}
