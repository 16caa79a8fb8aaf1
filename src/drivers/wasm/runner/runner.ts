import { createInterface } from "node:readline";
import type { Bash } from "just-bash";
import { cut } from "./cut.ts";
import type { Job, Outcome } from "../job.ts";
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
    javascript: true,
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
  const { command, args } = await commandFor(bash, job);
  const ended = await bash.exec(command, { args, rawScript: true, stdin: job.stdin, env: job.env });
  const late = performance.now() - startedAt >= job.timeoutMs;

  const notes = job.language === "python" ? await notesOf(bash) : undefined;
  const stdout = cut(notes?.stdoutOpen === true ? withoutLineFeed(ended.stdout) : ended.stdout, outputBytes);
  const stderr = cut(notes?.stderrOpen === true ? withoutLineFeed(ended.stderr) : ended.stderr, outputBytes);
  const output = { stdout: stdout.text, stderr: stderr.text, truncated: stdout.truncated || stderr.truncated };
  if (ended.exitCode === 0) return { status: "ok", ...output, exit_code: 0, signal: null, error: null };
  if (late || interrupted(job, ended.stderr)) return { status: "timeout", ...output, ...KILLED, error: null };
  if (TOO_MUCH.test(ended.stderr)) {
    const error = { name: "OutputLimit", value: `printed more than ${maxOutputSize} bytes`, traceback: [] };
    return { status: "killed", ...output, ...KILLED, truncated: true, error };
  }
  const error = notes?.error ?? (job.language === "javascript" ? javascriptError(ended.stderr) : null);
  return { status: "error", ...output, exit_code: ended.exitCode, signal: null, error };
}

/** A program that prints somewhat too much goes on, and what is too much is cut; one that prints without end is stopped. */
const HEADROOM = 4;
/** For bash the same limit holds for all that passes through its pipes and into its files. */
const BASH_TRAFFIC = 2 ** 24;
const KILLED = { exit_code: null, signal: "SIGKILL" } as const;
const TOO_MUCH = /total output size exceeded \(>\d+ bytes\)[^\n]*\n$/;

/** Puts the program where its language expects it, and says how to start it. */
async function commandFor(bash: Bash, job: Job): Promise<{ command: string; args: string[] }> {
  if (job.language === "bash") return { command: job.code, args: [] };
  const python = job.language === "python";
  const name = python ? "main.py" : MODULE.test(job.code) ? "main.mjs" : "main.js";
  const file = bash.fs.resolvePath(job.cwd, name);
  await write(bash, file, job.code);
  return python ? { command: "python3", args: ["-c", PYTHON_MAIN, file, NOTES] } : { command: "js-exec", args: [file] };
}

/** A line that only a module can have. */
const MODULE = /^\s*(?:import\s*["'{*\w]|export\s)/m;

async function write(bash: Bash, file: string, content: string): Promise<void> {
  await bash.fs.mkdir(bash.fs.resolvePath(file, ".."), { recursive: true });
  await bash.writeFile(file, content);
}

/** Undefined when the program ended without leaving any. What it forged there is for the host to refuse. */
async function notesOf(bash: Bash): Promise<PythonNotes | undefined> {
  try {
    return JSON.parse(await bash.readFile(NOTES));
  } catch {
    return undefined;
  }
}

/** QuickJS gives up by itself after some 10^9 steps (about 13 s), which can be before the time limit. */
function interrupted(job: Job, stderr: string): boolean {
  return job.language === "javascript" && stderr.endsWith(": interrupted\n");
}

/** js-exec prints an uncaught error as `at <where> (<file>:<line>:<column>): <message>`; the error's name is lost. */
function javascriptError(stderr: string): Outcome["error"] {
  const last = stderr.trimEnd().split("\n").at(-1) ?? "";
  const value = /^at .*?\(.*?:\d+:\d+\): (.*)$/.exec(last)?.[1];
  return value === undefined ? null : { name: "Error", value, traceback: [last] };
}

/** The job could not even be begun: its files do not fit into the tree, for example. */
function impossible(thrown: unknown): Outcome {
  const { name, message } = thrown instanceof Error ? thrown : new Error(String(thrown));
  const error = { name, value: message, traceback: [] };
  return {
    status: "error",
    stdout: "",
    stderr: `${message}\n`,
    exit_code: null,
    signal: null,
    error,
    truncated: false,
  };
}

function withoutLineFeed(output: string): string {
  return output.endsWith("\n") ? output.slice(0, -1) : output;
}
