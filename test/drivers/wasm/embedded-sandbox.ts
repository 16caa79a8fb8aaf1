import fs from "node:fs";
import { request } from "node:http";
import os from "node:os";
import path from "node:path";
import type { Instance, Sandbox } from "../../../src/domain/sandbox.ts";
import type { InstanceState } from "../../../src/drivers/driver.ts";
import { WasmDriver } from "../../../src/drivers/wasm/driver.ts";
import type { Outcome } from "../../../src/drivers/wasm/job.ts";
import type { WasmLimits } from "../../../src/drivers/wasm/limits.ts";
import { argumentsOf, descendantsOf } from "../../support/processes.ts";
import { PLAIN_INSTANCE, PLAIN_SANDBOX } from "../../support/sandboxes.ts";

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

export type Result = Outcome & { readonly duration_ms: number };

const INSTANCE: Instance = {
  id: "ins_1",
  sandboxId: "demo",
  url: "unix:ins_1.sock",
  number: 1,
  ...PLAIN_INSTANCE,
};
const SANDBOX: Sandbox = {
  id: "demo",
  ...PLAIN_SANDBOX,
  driver: "wasm",
  instances: [INSTANCE],
};

/** One instance of the embedded sandbox as the daemon runs it, and a client that calls it directly. */
export class EmbeddedSandbox {
  readonly states: InstanceState[] = [];
  readonly warnings: string[] = [];
  readonly folder: string = fs.mkdtempSync(path.join(os.tmpdir(), "sandboxgw-test-"));
  readonly #driver: WasmDriver;
  #up = Promise.withResolvers<void>();

  constructor(limits: Partial<WasmLimits> = {}, { uid = 1000 } = {}) {
    this.#driver = new WasmDriver({
      runDirectory: this.folder,
      cacheDirectory: path.join(this.folder, "cache"),
      limits: {
        timeoutMs: 15_000,
        maxTimeoutMs: 20_000,
        beginMs: 60_000,
        outputBytes: 100_000,
        memoryBytes: 512 * 2 ** 20,
        maxRuns: 2,
        bodyBytes: 1_000_000,
        ...limits,
      },
      report: (_instance, state) => {
        this.states.push(state);
        if (state === "up") this.#up.resolve();
        if (state === "down") this.#up = Promise.withResolvers();
      },
      warn: (text) => void this.warnings.push(text),
      uid,
    });
  }

  /** Resolves when the instance is up. */
  async start(): Promise<void> {
    this.#driver.start(SANDBOX, INSTANCE);
    await this.up();
  }

  up(): Promise<void> {
    return this.#up.promise;
  }

  async close(): Promise<void> {
    await this.#driver.close();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  /** The host, found as the child of this process that was given this folder. */
  hostPid(): number {
    const pid = descendantsOf(process.pid).find((candidate) =>
      argumentsOf(candidate).includes(`${this.folder}/ins_1.sock`),
    );
    if (pid === undefined) throw new Error("there is no host");
    return pid;
  }

  python(code: string, rest: object = {}, timeoutMs?: number): Promise<Result> {
    return this.run({ language: "python", code, ...rest }, timeoutMs);
  }

  javascript(code: string, rest: object = {}, timeoutMs?: number): Promise<Result> {
    return this.run({ language: "javascript", code, ...rest }, timeoutMs);
  }

  bash(code: string, rest: object = {}, timeoutMs?: number): Promise<Result> {
    return this.run({ language: "bash", code, ...rest }, timeoutMs);
  }

  /** @throws when the answer is not 200. */
  async run(payload: object, timeoutMs?: number): Promise<Result> {
    const reply = await this.call(JSON.stringify({ operation: "run_code", payload, timeout_ms: timeoutMs }));
    if (reply.status !== 200) throw new Error(`${reply.status}: ${JSON.stringify(reply.body)}`);
    return reply.body as Result;
  }

  /** Any request; the signal breaks its connection. */
  call(
    body: string,
    { method = "POST", url = "/execute", signal, execution = true }: CallOptions = {},
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const socketPath = path.join(this.folder, "ins_1.sock");
      const headers = execution ? { "x-sandbox-execution-id": "exe_1" } : {};
      const sent = request({ socketPath, method, path: url, headers, ...(signal && { signal }) }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text) });
        });
      });
      sent.once("error", reject);
      sent.end(method === "GET" ? undefined : body);
    });
  }
}

export interface CallOptions {
  readonly method?: string;
  readonly url?: string;
  readonly signal?: AbortSignal;
  /** Whether it says that it is an execution, as only the gateway's execute calls can. */
  readonly execution?: boolean;
}
