import { get } from "node:http";

const PATIENCE_MS = 2_000;

/**
 * Whether the running daemon takes calls: asked of the daemon itself, because what it last wrote may be old. A disk that is
 * full keeps it from writing exactly that. Resolves with the reason when it does not; undefined when all is well.
 */
export function findTrouble({
  admin_host: host,
  admin_port: port,
}: Readonly<Record<string, unknown>>): Promise<string | undefined> {
  if (typeof port !== "number") return Promise.resolve("starting");
  return new Promise((resolve) => {
    const request = get({ host: reachable(host), port, path: "/readyz", timeout: PATIENCE_MS }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.once("end", () => resolve(response.statusCode === 200 ? undefined : text.trim()));
    });
    request.once("timeout", () => request.destroy());
    request.once("error", () => undefined);
    request.once("close", () => resolve("the admin listener does not answer"));
  });
}

/** An address to reach a listener at that listens on `host`. */
function reachable(host: unknown): string {
  if (typeof host !== "string" || host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}
