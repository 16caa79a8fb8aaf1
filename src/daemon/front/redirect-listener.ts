import { createServer, type Server } from "node:http";
import { type AddressInfo, isIPv6 } from "node:net";
import { GatewayError } from "../../errors.ts";

/** Connections that are open at once: it is asked once, by who does not know better. */
const MOST_CONNECTIONS = 1_000;
const TIMEOUT_MS = 5_000;
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(?::\d{1,5})?$/;
const TARGET = /^\/[!-~]*$/;

/** Sends whoever speaks plain HTTP to the same host and path by https (RFC 9110 section 15.4.9: the method stays). */
export class RedirectListener {
  readonly #server: Server;
  readonly #port: () => number;

  /** `port`: where https is spoken. */
  constructor(options: { port: () => number }) {
    this.#port = options.port;
    this.#server = createServer({ connectionsCheckingInterval: 1_000, requireHostHeader: false }, (req, res) => {
      const location = this.#location(req.headers.host, req.url);
      res.writeHead(location === undefined ? 400 : 308, {
        ...(location !== undefined && { location }),
        "content-length": "0",
        connection: "close",
      });
      res.end();
      req.resume();
    });
    this.#server.maxConnections = MOST_CONNECTIONS;
    this.#server.headersTimeout = TIMEOUT_MS;
    this.#server.requestTimeout = TIMEOUT_MS;
    this.#server.setTimeout(TIMEOUT_MS);
    this.#server.on("connection", (socket) => socket.on("error", () => undefined));
    this.#server.on("clientError", (_error, socket) => socket.destroy());
    this.#server.on("upgrade", (_req, socket) => socket.destroy());
    this.#server.on("connect", (_req, socket) => socket.destroy());
  }

  /** Resolves with the port. Another process that hands over may listen there too. @throws GatewayError GW_010 */
  listen(place: { host: string; port: number }): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause) => reject(new GatewayError("GW_010", { details: cause.message, cause })));
      this.#server.listen({ ...place, reusePort: process.platform === "linux" }, () => {
        this.#server.removeAllListeners("error").on("error", () => undefined);
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  /** Undefined for a request that names no host, or no path on it: nobody is sent anywhere else. */
  #location(host: string | undefined, target: string | undefined): string | undefined {
    if (host === undefined || !HOST.test(host) || target === undefined || !TARGET.test(target)) return undefined;
    const name = host.replace(/:\d{1,5}$/, "");
    if (name.startsWith("[") && !isIPv6(name.slice(1, -1))) return undefined;
    const port = this.#port();
    return `https://${name}${port === 443 ? "" : `:${port}`}${target}`;
  }
}
