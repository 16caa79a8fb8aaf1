import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const LOGGER = new URL("../../src/observe/logger.ts", import.meta.url).href;

/** What a process that logs a few things writes to stderr, line by line; nothing may go to stdout. */
async function logged(format: "auto" | "json" | "pretty", level: string): Promise<string[]> {
  const script = `
    import { createLogger } from ${JSON.stringify(LOGGER)};
    const log = createLogger({ level: ${JSON.stringify(level)}, format: ${JSON.stringify(format)} });
    log.debug({}, "not asked for");
    log.info({ port: 8080 }, "listening");
    log.error({ error: "first\\n00:00:00.000 info  forged\\u001b[2J", sandbox: "py" }, "failed");
    log.warn({}, "last");
    process.exit(0);`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    env: {},
  });
  expect(stdout).toBe("");
  expect(stderr.endsWith("\n")).toBe(true);
  return stderr.slice(0, -1).split("\n");
}

describe("the log", () => {
  test("is JSON on stderr when it is no terminal: a line per entry, none lost by an exit right after it", async () => {
    const lines = (await logged("auto", "info")).map((line): Record<string, unknown> => JSON.parse(line));
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(lines).toEqual([
      { level: 30, time, port: 8080, msg: "listening" },
      { level: 50, time, error: "first\n00:00:00.000 info  forged\u001b[2J", sandbox: "py", msg: "failed" },
      { level: 40, time, msg: "last" },
    ]);
  });

  test("for people is a line per entry too, which no value can forge or colour", async () => {
    const lines = await logged("pretty", "debug");
    expect(lines.map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{3} /, ""))).toEqual([
      "debug not asked for",
      "info  listening port=8080",
      'error failed error="first\\n00:00:00.000 info  forged\\u001b[2J" sandbox="py"',
      "warn  last",
    ]);
  });

  test("leaves out what is below its level", async () => {
    const lines = await logged("json", "error");
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(["failed"]);
  });
});
