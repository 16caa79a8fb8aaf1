import { z } from "zod";
import type { Job, Language } from "../job.ts";
import type { WasmLimits } from "../limits.ts";

/** A refusal in the generic protocol: `{"error":{"code","message"}}` with this HTTP status. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/**
 * What a `POST /execute` asks for.
 * @throws Refusal 400 when the body is not JSON or does not have the protocol's shape, 422 when it asks for an operation or
 *   language that there is not.
 */
export function jobOf(body: string, limits: Pick<WasmLimits, "timeoutMs" | "maxTimeoutMs">): Job {
  const { operation, payload, timeout_ms } = parse(Request, json(body), "");
  const timeoutMs = Math.min(timeout_ms ?? limits.timeoutMs, limits.maxTimeoutMs);
  switch (operation) {
    case "run_code": {
      const { language, ...rest } = parse(RunCode, payload, "payload");
      return { ...rest, language: languageOf(language), timeoutMs };
    }
    case "run_command": {
      const { command, ...rest } = parse(RunCommand, payload, "payload");
      return { ...rest, code: command, language: "bash", timeoutMs };
    }
    default:
      throw new Refusal(
        422,
        "unsupported",
        `no operation ${JSON.stringify(operation.slice(0, 64))}. There are run_code and run_command`,
      );
  }
}

const Request = z.object({
  operation: z.string(),
  payload: z.record(z.string(), z.unknown()),
  timeout_ms: z.int().positive().optional(),
});

const Common = {
  stdin: z.string().default(""),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).default({}),
  cwd: z.string().startsWith("/").default("/home/user"),
  files: z.record(z.string().min(1), z.string()).default({}),
};

const LANGUAGES: Readonly<Record<string, Language>> = {
  python: "python",
  python3: "python",
  py: "python",
  javascript: "javascript",
  js: "javascript",
  typescript: "typescript",
  ts: "typescript",
  bash: "bash",
  sh: "bash",
};

const KNOWN = "There are python, javascript, typescript and bash";

// Strict: a field that would be ignored may be one that the caller relies on.
const RunCode = z.strictObject({ language: z.string(`which one? ${KNOWN}`), code: z.string(), ...Common });
const RunCommand = z.strictObject({ command: z.string(), ...Common });

function languageOf(name: string): Language {
  const language = Object.hasOwn(LANGUAGES, name) ? LANGUAGES[name] : undefined;
  if (language !== undefined) return language;
  throw new Refusal(422, "unsupported", `no language ${JSON.stringify(name.slice(0, 64))}. ${KNOWN}`);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, "bad_json", "the body is not JSON");
  }
}

function parse<T extends z.ZodType>(schema: T, value: unknown, at: string): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(
    ({ path, message }) => `${[at, ...path].filter((part) => part !== "").join(".")}: ${message}`,
  );
  throw new Refusal(400, "bad_request", issues.join("; "));
}
