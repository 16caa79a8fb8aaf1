import { createInterface } from "node:readline";
import type { Bash } from "just-bash";
import { cut } from "./cut.ts";
import { type Job, type Outcome, problem, timeoutOf } from "../job.ts";
import { javascriptBootstrap, javascriptError } from "./javascript.ts";
import { makeWorkersPatient } from "./patient-workers.ts";
import { PYTHON_MAIN, type PythonNotes } from "./python.ts";

export interface RunnerOptions {
  /** URL of just-bash's module. */
  readonly sandbox: string;
  /** Bytes kept of each of stdout and stderr. */
  readonly outputBytes: number;
}

/** What a runner writes to its stdout: this line when it can begin, then the outcome's line. */
export const READY = "ready";

/**
 * The life of a runner: load the sandbox, take one job from stdin, write its outcome to stdout, end. One job only,
 * so that no run can leave anything for the next. The end of stdin means that the host is gone.
 */
export async function run([options = ""]: readonly string[]): Promise<void> {
  const { sandbox, outputBytes }: RunnerOptions = JSON.parse(options);
  makeWorkersPatient();
  const { Bash }: typeof import("just-bash") = await import(sandbox);
  await new Bash().exec("true"); // loads what every run needs
  const lines = createInterface({ input: process.stdin });
  lines.once("close", () => process.exit());
  lines.once("line", (line) => void take(line));
  process.stdout.write(`${READY}\n`);

  async function take(line: string): Promise<void> {
    const outcome = await runJob(Bash, JSON.parse(line), outputBytes).catch(impossible);
    process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit());
  }
}

const NOTES = "/run/notes.json";

async function runJob(Sandbox: typeof Bash, job: Job, outputBytes: number): Promise<Outcome> {
  const maxOutputSize = Math.max(outputBytes * HEADROOM, job.language === "bash" ? BASH_TRAFFIC : 0);
  const bash = new Sandbox({
    python: true,
    javascript: isScript(job) ? { bootstrap: javascriptBootstrap(NOTES, outputBytes + 1) } : true,
    cwd: job.cwd,
    env: { HOME: "/home/user", USER: "user", LANG: "C.UTF-8" },
    executionLimits: {
      maxExecutionTimeMs: job.timeoutMs + 100, // later than the languages' own, which keep what was printed
      maxPythonTimeoutMs: job.timeoutMs,
      maxJsTimeoutMs: job.timeoutMs,
      maxSqliteTimeoutMs: job.timeoutMs,
      maxOutputSize,
      // Time and memory are limited, so counting is not needed and would only end long programs early.
      maxCommandCount: Number.POSITIVE_INFINITY,
      maxLoopIterations: Number.POSITIVE_INFINITY,
      maxAwkIterations: Number.POSITIVE_INFINITY,
      maxSedIterations: Number.POSITIVE_INFINITY,
      maxJqIterations: Number.POSITIVE_INFINITY,
      maxWorkUnits: Number.POSITIVE_INFINITY,
    },
  });
  for (const directory of [job.cwd, "/home/user", "/tmp", "/run"]) await bash.fs.mkdir(directory, { recursive: true });
  for (const [name, content] of Object.entries(job.files))
    await write(bash, bash.fs.resolvePath(job.cwd, name), content);

  const startedAt = performance.now();
  const { command, args } = await commandFor(bash, job, outputBytes);
  const ended = await bash.exec(command, { args, rawScript: true, stdin: job.stdin, env: job.env });
  const late = performance.now() - startedAt >= job.timeoutMs;

  const notes = job.language === "python" ? await notesOf<PythonNotes>(bash) : undefined;
  const stdout = cut(notes?.stdoutOpen === true ? withoutLineFeed(ended.stdout) : ended.stdout, outputBytes);
  const stderr = cut(notes?.stderrOpen === true ? withoutLineFeed(ended.stderr) : ended.stderr, outputBytes);
  const output = { stdout: stdout.text, stderr: stderr.text, truncated: stdout.truncated || stderr.truncated };
  const results = typeof notes?.value === "string" ? [{ "text/plain": notes.value }] : [];
  if (ended.exitCode === 0) return { status: "ok", ...output, exit_code: 0, signal: null, error: null, results };
  const killed = { ...output, exit_code: null, signal: "SIGKILL", results };
  if (late || interrupted(job, ended.stderr)) return { status: "timeout", ...killed, error: timeoutOf(job) };
  if (TOO_MUCH.test(ended.stderr)) {
    const error = problem("OutputLimit", `printed more than ${maxOutputSize} bytes`);
    return { status: "killed", ...killed, truncated: true, error };
  }
  const error = isScript(job) ? javascriptError(ended.stderr, await notesOf(bash)) : (notes?.error ?? null);
  const said = error ?? (stderr.text === "" ? silent(ended.exitCode) : null);
  return { status: "error", ...output, exit_code: ended.exitCode, signal: null, error: said, results };
}

/** What is let through beside the limits of the languages themselves; a program that prints without end is stopped. */
const HEADROOM = 8;
/** For bash the same limit holds for all that passes through its pipes and into its files. */
const BASH_TRAFFIC = 2 ** 24;
const TOO_MUCH = /total output size exceeded \(>\d+ bytes\)[^\n]*\n$/;

function isScript({ language }: Job): boolean {
  return language === "javascript" || language === "typescript";
}

/** A failure is never told by nothing but a number. */
function silent(exitCode: number): Outcome["error"] {
  return problem("ExitCode", `the program ended with exit code ${exitCode} and said nothing`);
}

/** Puts the program where its language expects it, and says how to start it. */
async function commandFor(bash: Bash, job: Job, outputBytes: number): Promise<{ command: string; args: string[] }> {
  if (job.language === "bash") return { command: job.code, args: [] };
  const file = bash.fs.resolvePath(job.cwd, fileNameOf(job));
  await write(bash, file, job.code);
  if (isScript(job)) return { command: "js-exec", args: [file] };
  // One byte more than is kept, so that it shows when something was cut.
  return { command: "python3", args: ["-c", PYTHON_MAIN, file, NOTES, String(outputBytes + 1)] };
}

function fileNameOf({ language, code }: Job): string {
  if (language === "python") return "main.py";
  if (language === "typescript") return "main.ts";
  return MODULE.test(code) ? "main.mjs" : "main.js";
}

/** A line that only a module can have. */
const MODULE = /^\s*(?:import\s*["'{*\w]|export\s)/m;

async function write(bash: Bash, file: string, content: string): Promise<void> {
  await bash.fs.mkdir(bash.fs.resolvePath(file, ".."), { recursive: true });
  await bash.writeFile(file, content);
}

/** Undefined when the program ended without leaving any. What it forged there is for the host to refuse. */
async function notesOf<Notes>(bash: Bash): Promise<Notes | undefined> {
  try {
    return JSON.parse(await bash.readFile(NOTES));
  } catch {
    return undefined;
  }
}

/** QuickJS gives up by itself after some 10^9 steps (about 13 s), which can be before the time limit. */
function interrupted(job: Job, stderr: string): boolean {
  return isScript(job) && stderr.endsWith(": interrupted\n");
}

/** The job could not even be begun: its files do not fit into the tree, for example. */
function impossible(thrown: unknown): Outcome {
  const { name, message } = thrown instanceof Error ? thrown : new Error(String(thrown));
  const error = problem(name, message);
  return {
    status: "error",
    stdout: "",
    stderr: `${message}\n`,
    exit_code: null,
    signal: null,
    error,
    truncated: false,
    results: [],
  };
}

function withoutLineFeed(output: string): string {
  return output.endsWith("\n") ? output.slice(0, -1) : output;
}
