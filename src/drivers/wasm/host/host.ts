import fs from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { z } from "zod";
import { WasmLimits } from "../limits.ts";
import { jobOf, Refusal } from "./request.ts";
import { Runs } from "./runs.ts";
import { sandboxModule } from "../sandbox-module.ts";

const HostOptions = z.strictObject({
  /** Path of the socket to listen on. */
  socket: z.string(),
  /** Where the packaged file may unpack the sandbox. */
  cacheDirectory: z.string(),
  limits: WasmLimits,
});

export type HostOptions = z.infer<typeof HostOptions>;

/**
 * The life of a host: one instance of the embedded sandbox, speaking the generic protocol on a Unix socket. It runs no
 * untrusted code itself. Says "ready" over its IPC channel, and ends with it or on SIGTERM.
 */
export async function run([argument = ""]: readonly string[]): Promise<void> {
  const { socket, cacheDirectory, limits } = HostOptions.parse(JSON.parse(argument));
  const runs = new Runs({ sandbox: sandboxModule(cacheDirectory), limits });
  const end = () => {
    runs.close();
    fs.rmSync(socket, { force: true });
    process.exit();
  };
  process.once("disconnect", end);
  process.once("SIGTERM", end);

  const server = createServer((request, response) => void answer({ request, response, runs, limits }));
  process.umask(0o077);
  fs.rmSync(socket, { force: true }); // left behind by a host that was killed
  server.listen(socket, () => process.send?.("ready"));
}

interface Incoming {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly runs: Runs;
  readonly limits: WasmLimits;
}

async function answer(incoming: Incoming): Promise<void> {
  const { response } = incoming;
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  try {
    send(response, 200, await result(incoming, gone.signal));
  } catch (error) {
    if (gone.signal.aborted) return;
    const { status, code, message, headers } = error instanceof Refusal ? error : failure(error);
    send(response, status, { error: { code, message } }, headers);
  }
}

async function result({ request, runs, limits }: Incoming, signal: AbortSignal): Promise<object> {
  switch (`${request.method} ${request.url}`) {
    case "GET /health":
      return { status: "ok" };
    case "POST /execute": {
      if (request.headers["x-sandbox-execution-id"] === undefined) throw NOT_AN_EXECUTION;
      const job = jobOf(await bodyOf(request, limits.bodyBytes), limits);
      const startedAt = performance.now();
      const outcome = await runs.run(job, signal);
      return { ...outcome, duration_ms: Math.round(performance.now() - startedAt) };
    }
    default:
      throw new Refusal(404, "not_found", "there is POST /execute and GET /health");
  }
}

/** A call through the transparent proxy would leave no record of what it ran. */
const NOT_AN_EXECUTION = new Refusal(403, "not_an_execution", "code runs here only by POST /api/v1/sandbox/execute");

async function bodyOf(request: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Not destroyed when left early: the refusal still has to be sent.
  const body: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false });
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) {
      throw new Refusal(413, "too_large", `the body is larger than ${maxBytes} bytes`, { connection: "close" });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function send(response: ServerResponse, status: number, body: object, headers: Readonly<Record<string, string>> = {}) {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    ...headers,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

function failure(error: unknown): Refusal {
  return new Refusal(500, "failed", error instanceof Error ? error.message : String(error));
}
