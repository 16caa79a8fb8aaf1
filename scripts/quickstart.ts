// npm run quickstart: a gateway with a sandbox, and the first piece of code through it. Stays up until Ctrl-C.
//   -- --once          leave after the first call
//   -- --data-dir DIR  keep everything in DIR instead of a temporary folder
//   -- --port N        listen there (default 8080, or any free port when that is taken)

import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs, promisify, styleText } from "node:util";

const REQUEST = {
  sandbox_id: "demo",
  operation: "run_code",
  payload: { code: "print('Hello World')", language: "python" },
};

const { values } = parseArgs({
  options: { once: { type: "boolean", default: false }, "data-dir": { type: "string" }, port: { type: "string" } },
});
const program = join(import.meta.dirname, "../bin/sandboxgw.ts");
const port = values.port ?? ((await isFree(8080)) ? "8080" : "0");
const stopping = new AbortController();
const { signal } = stopping;
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, stop);
// A reader that has seen enough (`| head`) is as good as Ctrl-C.
process.stdout.on("error", stop);
const dataDir = values["data-dir"] ?? mkdtempSync(join(tmpdir(), "sandboxgw-"));

step("Starting a gateway", `data in ${dataDir}`);
const daemon = spawn(process.execPath, [program, "--data-dir", dataDir, "serve", "--port", port, "--admin-port", "0"], {
  env: { ...process.env, LOG_FORMAT: "json" },
  stdio: ["ignore", "ignore", "pipe"],
});
const ended = new Promise<void>((resolve) => void daemon.once("exit", () => resolve()));
// However this ends, the gateway and its temporary folder end with it.
process.once("exit", () => {
  daemon.kill("SIGKILL");
  if (values["data-dir"] === undefined) rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
});
try {
  const url = await listening();
  step("Adding a sandbox", "demo: bash, Python and JavaScript, compiled to WebAssembly");
  await sandboxgw("sandbox", "add", "demo", "--driver", "wasm");
  step("Making a token", "role executor, one hour; only a keyed hash of it is stored");
  const { token } = JSON.parse(
    await sandboxgw("token", "create", "--sub", "quickstart", "--role", "executor", "-o", "json"),
  ) as {
    token: string;
  };
  step("Running code", `POST ${url}/api/v1/sandbox/execute`);
  console.log(JSON.stringify(REQUEST, null, 2));
  const answer = await execute(url, token);
  step("The answer");
  console.log(JSON.stringify(answer, null, 2));
  step("Its audit record");
  console.log(JSON.stringify(JSON.parse(await sandboxgw("audit", "tail", "-n", "1", "-o", "json")), null, 2));
  if (answer.result?.stdout !== "Hello World\n") throw new Error("the sandbox did not say Hello World");
  if (values.once) stop();
  else whatNext(url, token);
} catch (error) {
  // What fails because it was stopped in the middle is no news.
  if (!signal.aborted) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
  stop();
}
await ended;

function stop(): void {
  stopping.abort();
  daemon.kill("SIGTERM");
}

/** Resolves with the gateway's address once it is up; fails with its log when it does not come up. */
function listening(): Promise<string> {
  return new Promise((resolve, reject) => {
    const log: string[] = [];
    createInterface({ input: daemon.stderr }).on("line", (line) => {
      log.push(line);
      if (line.includes('"msg":"listening"')) resolve((JSON.parse(line) as { url: string }).url);
    });
    daemon.once("exit", () => reject(new Error(`the gateway did not start:\n${log.join("\n")}`)));
  });
}

/** Runs a command on the same data folder: it needs no connection to the daemon. */
async function sandboxgw(...args: string[]): Promise<string> {
  const all = [program, "--data-dir", dataDir, ...args];
  const { stdout } = await promisify(execFile)(process.execPath, all, { encoding: "utf8", signal });
  return stdout;
}

interface Answer {
  readonly result?: { readonly stdout: string };
  readonly error?: { readonly code: string };
}

async function execute(url: string, token: string): Promise<Answer> {
  const response = await fetch(`${url}/api/v1/sandbox/execute`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(REQUEST),
    signal,
  });
  return (await response.json()) as Answer;
}

function whatNext(url: string, token: string): void {
  const command = `node_modules/.bin/node ${relative(process.cwd(), program)} --data-dir ${dataDir}`;
  const code = `{"sandbox_id":"demo","operation":"run_code","payload":{"language":"javascript","code":"console.log(6 * 7)"}}`;
  step("Try next", "in another terminal, from this folder");
  console.log(`curl ${url}/api/v1/sandbox/execute -H 'Authorization: Bearer ${token}' \\
     -H 'Content-Type: application/json' -d '${code}'\n
${command} audit tail -f\n
${command} sandbox add mine --url http://127.0.0.1:9000`);
  console.log(styleText("dim", "\nCtrl-C stops the gateway."));
}

function step(title: string, note = ""): void {
  console.log(`\n${styleText("bold", title)}${note === "" ? "" : styleText("dim", `  ${note}`)}`);
}

function isFree(candidate: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer().once("error", () => resolve(false));
    probe.listen({ port: candidate, host: "127.0.0.1", exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
