import { COMPILE_CACHE } from "../support/compile-cache.ts";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { runProgram } from "../../src/cli/program.ts";

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Home and working directory; the data folder is `data` in it. */
  readonly folder: string;
  /** What is typed, or piped in. */
  readonly input?: string;
  readonly isTTY?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

const environment = ({ folder, env }: RunOptions) => ({ HOME: folder, DATA_DIR: join(folder, "data"), ...env });

/** Runs one command line in this process. */
export async function run(args: readonly string[], options: RunOptions): Promise<Ran> {
  const { folder, input = "", isTTY = false } = options;
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const surroundings = { stdin: Object.assign(stdin, { isTTY }), stdout, stderr: Object.assign(stderr, { isTTY }) };
  stdin.end(input);
  const printed = Promise.all([text(stdout), text(stderr)]);
  const code = await runProgram(args, { ...surroundings, env: environment(options), cwd: folder });
  stdout.end();
  stderr.end();
  const [out, err] = await printed;
  return { code, stdout: out, stderr: err };
}

export const PROGRAM = join(import.meta.dirname, "../../bin/sandboxgw.ts");

/** Starts the program as a person would. */
export function start(args: readonly string[], options: RunOptions) {
  const env = { PATH: process.env["PATH"] ?? "", ...COMPILE_CACHE, ...environment(options) };
  return spawn(process.execPath, [PROGRAM, ...args], { cwd: options.folder, env, stdio: ["pipe", "pipe", "pipe"] });
}

/** Runs the program as a person would, to its end. */
export async function runAlone(args: readonly string[], options: RunOptions): Promise<Ran> {
  const child = start(args, options);
  const ended = new Promise<number | null>((resolve) => void child.once("close", resolve));
  child.stdin.end(options.input ?? "");
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}
