import { Buffer } from "node:buffer";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import type jsonata from "jsonata";
import type { Expression, JsonataError } from "jsonata";
import { JsonRefusal } from "../../domain/json-scan.ts";
import { type Failure, FRAME, type JobHead, LARGEST_FRAME, LONGEST_JOB_MS, MEMORY_MB } from "./job.ts";
import { FrameReader, writeFrame } from "./frames.ts";
import { parseLossless } from "./lossless.ts";

/** Expressions that are kept compiled. */
const KEPT = 500;

/**
 * The life of a mapper: takes one job after another from stdin, a head and a body, and writes each one's result to stdout. What
 * expressions do cannot be stopped from inside (a regular expression, one large built-in function), and a thread
 * that asks for too much memory at once takes its whole process with it: so this is a process of its own, which is ended from
 * outside. The end of stdin means that nobody waits any more.
 */
export async function run(): Promise<void> {
  setFlagsFromString(`--max-old-space-size=${MEMORY_MB}`);
  const { default: compile } = await import("jsonata");
  // What an expression could do to all that come after it.
  for (const prototype of [Object.prototype, Array.prototype, Function.prototype, String.prototype, Number.prototype]) {
    Object.preventExtensions(prototype);
  }
  const mapper = new Mapper(compile);
  const working = startWatch();
  let head: JobHead | undefined;
  const reader = new FrameReader(LARGEST_FRAME, (kind, content) => {
    if (kind === FRAME.job) head = JSON.parse(content.toString()) as JobHead;
    else if (head !== undefined) void work(head, content);
  });
  const work = async (job: JobHead, body: Buffer): Promise<void> => {
    working(true);
    const result = await mapper.map(job, body);
    working(false);
    if (Buffer.isBuffer(result)) writeFrame(process.stdout, FRAME.result, result);
    else writeFrame(process.stdout, FRAME.failure, Buffer.from(JSON.stringify(result)));
  };
  process.stdin.on("data", (chunk: Buffer) => reader.read(chunk)).once("end", () => process.exit());
  writeFrame(process.stdout, FRAME.ready, Buffer.alloc(0));
}

class Mapper {
  readonly #compile: typeof jsonata;
  readonly #compiled = new Map<string, Expression>();

  constructor(compile: typeof jsonata) {
    this.#compile = compile;
  }

  async map(job: JobHead, body: Buffer): Promise<Buffer | Failure> {
    try {
      // `$eval` is looked up here first, and is nothing.
      const variables = { ...job.variables, eval: undefined };
      const result: unknown = await this.#expression(job).evaluate(parseLossless(body), variables);
      const text = JSON.stringify(result) as string | undefined;
      if (text === undefined) return refusal("output", "The expression gives nothing");
      const bytes = Buffer.from(text);
      if (bytes.length <= job.maxOutput) return bytes;
      return refusal("output", `The expression gives more than ${job.maxOutput} bytes`);
    } catch (error) {
      return failureOf(error);
    }
  }

  #expression({ expression, timeoutMs }: JobHead): Expression {
    const key = `${timeoutMs} ${expression}`;
    let compiled = this.#compiled.get(key);
    if (compiled === undefined) {
      compiled = this.#compile(expression, { timeout: timeoutMs, stack: 2_000, sequence: 1_000_000 });
      if (this.#compiled.size >= KEPT) this.#compiled.clear();
      this.#compiled.set(key, compiled);
    }
    return compiled;
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof JsonRefusal) return refusal("input", error.message);
  if (typeof error !== "object" || error === null) return refusal("expression", "failed");
  const { code = "error", position, message } = error as Partial<JsonataError>;
  if (code === "D1012") return refusal("time", "The expression takes too long");
  const at = position === undefined ? "" : ` at character ${position}`;
  const text = message ?? code;
  const details = code === "D3137" || code === "D3141" ? text : `The expression fails: ${code}${at}`;
  return { reason: "expression", details: details.slice(0, 500), message: `${text}${at}`.slice(0, 2_000) };
}

function refusal(reason: Failure["reason"], details: string): Failure {
  return { reason, details, message: details };
}

/** In a thread of its own, which runs when nothing else does: ends the process when one job takes longer than any may. */
const WATCH = `
const { workerData: { word, ms } } = require("node:worker_threads");
for (;;) {
  const before = Atomics.load(word, 0);
  const waited = Atomics.wait(word, 0, before, before % 2 === 0 ? undefined : ms);
  if (waited === "timed-out") process.kill(process.pid, "SIGKILL");
}`;

/**
 * Whoever started this process ends it when a job takes too long, but may be gone itself: then a job without an end would run
 * for ever. Returns how to tell that one begins, or ends.
 */
function startWatch(): (isWorking: boolean) => void {
  const word = new Int32Array(new SharedArrayBuffer(4));
  new Worker(WATCH, { eval: true, workerData: { word, ms: 2 * LONGEST_JOB_MS } }).unref();
  return () => {
    Atomics.add(word, 0, 1);
    Atomics.notify(word, 0);
  };
}
