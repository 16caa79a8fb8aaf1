/** The little of http-proxy 1.18 that the bench uses; the package brings no types. */
declare module "http-proxy" {
  import type { Agent, IncomingMessage, ServerResponse } from "node:http";

  interface Proxy {
    web(request: IncomingMessage, response: ServerResponse): void;
    on(event: "error", listener: (error: Error, request: IncomingMessage, response: ServerResponse) => void): void;
  }

  const httpProxy: { createProxyServer(options: { target: string; agent: Agent }): Proxy };
  export default httpProxy;
}
