import type { Command } from "commander";
import { parseSample, type Sample } from "../../domain/transform/sample.ts";
import { RESPONSE_VARIABLES, type VariableName, type Variables } from "../../domain/transform/template.ts";
import { LONGEST_DOCUMENT, parseTransformation } from "../../domain/transform/transformation.ts";
import { nearest } from "../../domain/value/nearest.ts";
import { EXIT, GatewayError } from "../../errors.ts";
import { checkExpressions } from "../../transform/check-expressions.ts";
import { Mappers } from "../../transform/mapper/mappers.ts";
import { type Rehearsed, rehearse } from "../../transform/rehearse.ts";
import type { Cli } from "../cli.ts";
import { readText } from "../options/read-text.ts";
import { printable } from "../output/output.ts";
import { UsageError } from "../usage-error.ts";

export function defineTransform(transform: Command, cli: Cli): void {
  transform.addHelpText("after", "\nExamples:\n  sandboxgw transform test app.json --request request.json");
  transform
    .command("test")
    .summary("check a transformation, and try it on samples")
    .description(
      "Checks a transformation's document, and shows what it makes of a request and of a response. No gateway is needed. " +
        "Exit code 2 when the document or a sample is wrong, 8 when a sample would be refused.",
    )
    .argument("<file>", "the document, as for sandbox add --transform")
    .option("--request <file>", 'a request: {"method", "path", "headers", "body"}; - = stdin')
    .option("--response <file>", 'a response: {"status", "headers", "body"}; - = stdin')
    .option("--var <name=value>", `what a variable is (repeatable): ${RESPONSE_VARIABLES.join(", ")}`, collect)
    .addHelpText(
      "after",
      `
Examples:
  sandboxgw transform test app.json
  sandboxgw transform test app.json --request request.json --var principal=agent-1
  echo '{"body": {"a": 1}}' | sandboxgw transform test app.json --response -`,
    )
    .action((file: string, options: TestOptions) => test(cli, file, options));
}

interface TestOptions {
  readonly request?: string;
  readonly response?: string;
  readonly var?: readonly string[];
}

const LONGEST_SAMPLE = 8 * 1024 ** 2;
const SIDES = ["request", "response"] as const;
type Side = (typeof SIDES)[number];

interface Tried {
  readonly side: Side;
  readonly before: Sample;
  readonly rehearsed: Rehearsed;
}

async function test(cli: Cli, file: string, options: TestOptions): Promise<void> {
  if (options.request === "-" && options.response === "-") throw new UsageError("stdin can be only one of the samples");
  const transformation = named(file, () => parseTransformation(readText(file, "<file>", LONGEST_DOCUMENT)));
  await named(file, () => checkExpressions(transformation));
  const said = variablesFrom(options.var ?? []);
  const samples: [Side, Sample][] = [];
  for (const side of SIDES) {
    const given = options[side];
    if (given === undefined) continue;
    const text =
      given === "-" ? await cli.readInput(LONGEST_SAMPLE, "a sample") : readText(given, `--${side}`, LONGEST_SAMPLE);
    samples.push([side, named(`--${side} ${given}`, () => parseSample(text, side))]);
  }
  const mappers = new Mappers();
  const tried: Tried[] = [];
  try {
    for (const [side, before] of samples) {
      const variables = { ...EXAMPLES, method: before.method, status: String(before.status), ...said };
      tried.push({
        side,
        before,
        rehearsed: await rehearse(transformation, { sample: before, side, variables, mappers }),
      });
    }
  } finally {
    mappers.close();
  }
  if (tried.some(({ rehearsed }) => rehearsed.problem !== null)) cli.exitCode = EXIT.checkFailed;
  cli.output.print({ valid: true, ...Object.fromEntries(tried.map((each) => [each.side, view(each)])) }, () =>
    tried.length === 0 ? `ok: ${file}` : tried.flatMap(lines),
  );
}

/** An error of what was read from `source` says so. */
function named<T>(source: string, read: () => T): T {
  const told = (error: unknown): never => {
    if (!(error instanceof GatewayError)) throw error;
    throw new GatewayError(error.code, { details: `${source}: ${error.details}` });
  };
  try {
    const result = read();
    return result instanceof Promise ? (result.catch(told) as T) : result;
  } catch (error) {
    return told(error);
  }
}

/** What variables are unless --var says otherwise. */
const EXAMPLES: Variables = {
  principal: "agent-1",
  role: "executor",
  sandbox: "demo",
  request_id: "req_example",
  client_address: "192.0.2.1",
  scheme: "http",
  instance: "ins_example",
};

function variablesFrom(texts: readonly string[]): Variables {
  const said: Partial<Record<VariableName, string>> = {};
  for (const text of texts) {
    const [name = "", ...rest] = text.split("=");
    const known = RESPONSE_VARIABLES.find((each) => each === name);
    if (known === undefined || rest.length === 0) {
      const meant = nearest(name, RESPONSE_VARIABLES);
      const hint = meant === undefined || meant === name ? "" : ` (did you mean ${meant}?)`;
      throw new UsageError(`--var ${text}: expected is NAME=VALUE with one of ${RESPONSE_VARIABLES.join(", ")}${hint}`);
    }
    said[known] = rest.join("=");
  }
  return said;
}

function view({ side, before, rehearsed }: Tried): Record<string, unknown> {
  const { after, note, problem } = rehearsed;
  return { before: sampleView(side, before), after: after && sampleView(side, after), note, problem };
}

function sampleView(side: Side, { method, path, status, fields, body }: Sample): Record<string, unknown> {
  const headers = Array.from({ length: fields.length / 2 }, (_, index) => fields.slice(2 * index, 2 * index + 2));
  return { ...(side === "request" ? { method, path } : { status }), headers, ...(body !== undefined && { body }) };
}

function lines({ side, before, rehearsed }: Tried): string[] {
  const { after, note, problem } = rehearsed;
  const outcome =
    after === null ? [`${side} after: refused: ${printable(problem)}`] : [`${side} after`, ...sampleLines(side, after)];
  return [`${side} before`, ...sampleLines(side, before), ...outcome, ...(note === null ? [] : [printable(note), ""])];
}

function sampleLines(side: Side, { method, path, status, fields, body }: Sample): string[] {
  const head = side === "request" ? `${method} ${path}` : String(status);
  const shown = fields.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${fields[index + 1] ?? ""}`] : []));
  const text = body === undefined ? [] : ["", JSON.stringify(body)];
  return [...[head, ...shown, ...text].map((line) => `  ${printable(line)}`), ""];
}

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}
