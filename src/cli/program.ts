import { Command, CommanderError, Option } from "commander";
import { nearest } from "../domain/value/nearest.ts";
import { EXIT } from "../errors.ts";
import { VERSION } from "../version.ts";
import { Cli, type Surroundings } from "./cli.ts";
import { Output, type OutputMode, renderError } from "./output/output.ts";
import { UsageError } from "./usage-error.ts";

/** Adds a noun's verbs and options to its command. */
export type Define = (command: Command, cli: Cli) => void;

interface Noun {
  readonly summary: string;
  /** Loaded only when the noun is used: most of the start-up time is loading. */
  readonly load: () => Promise<Define>;
}

const NOUNS: Readonly<Record<string, Noun>> = {
  serve: { summary: "run the gateway", load: async () => (await import("./commands/serve.ts")).defineServe },
  reload: {
    summary: "have the running gateway read its configuration anew",
    load: async () => (await import("./commands/reload.ts")).defineReload,
  },
  upgrade: {
    summary: "have the running gateway hand over to this program",
    load: async () => (await import("./commands/upgrade.ts")).defineUpgrade,
  },
  status: {
    summary: "tell whether the gateway runs",
    load: async () => (await import("./commands/status.ts")).defineStatus,
  },
  token: {
    summary: "create, list, inspect and revoke tokens",
    load: async () => (await import("./commands/credentials/token.ts")).defineToken,
  },
  link: {
    summary: "create, list and revoke links that open a sandbox",
    load: async () => (await import("./commands/credentials/link.ts")).defineLink,
  },
  key: {
    summary: "list, rotate and retire signing keys, change the master key",
    load: async () => (await import("./commands/credentials/key.ts")).defineKey,
  },
  role: {
    summary: "create, list, show, update and remove roles",
    load: async () => (await import("./commands/credentials/role.ts")).defineRole,
  },
  explain: {
    summary: "say whether a token or a role may call a sandbox, and why not",
    load: async () => (await import("./commands/credentials/explain.ts")).defineExplain,
  },
  session: {
    summary: "list and kill the sessions of browsers",
    load: async () => (await import("./commands/credentials/session.ts")).defineSession,
  },
  cert: {
    summary: "make a certificate for development",
    load: async () => (await import("./commands/credentials/cert.ts")).defineCert,
  },
  sandbox: {
    summary: "add, list, show, update and remove sandboxes",
    load: async () => (await import("./commands/sandbox.ts")).defineSandbox,
  },
  instance: {
    summary: "add, list, update, drain and remove a sandbox's instances",
    load: async () => (await import("./commands/instance.ts")).defineInstance,
  },
  route: {
    summary: "add, list, show and remove routes of hosts and paths to sandboxes",
    load: async () => (await import("./commands/route.ts")).defineRoute,
  },
  circuit: {
    summary: "list, open, close and reset the circuits of instances",
    load: async () => (await import("./commands/circuit.ts")).defineCircuit,
  },
  limit: {
    summary: "give back what was used of limits, end lockouts",
    load: async () => (await import("./commands/limit.ts")).defineLimit,
  },
  transform: {
    summary: "try transformations of calls on samples",
    load: async () => (await import("./commands/transform.ts")).defineTransform,
  },
  audit: {
    summary: "read and verify the audit records",
    load: async () => (await import("./commands/audit/audit.ts")).defineAudit,
  },
  config: {
    summary: "print and validate the configuration",
    load: async () => (await import("./commands/config.ts")).defineConfig,
  },
  version: { summary: "print the version", load: async () => (await import("./commands/version.ts")).defineVersion },
};

const HELP = `
Examples:
  sandboxgw serve
  sandboxgw sandbox add demo --driver wasm
  sandboxgw token create --sub agent-1 --role executor

Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration, 4 authentication, 5 not found, 6 conflict,
            7 daemon not running, 8 check failed, 130 interrupted (Ctrl-C)`;

/** Runs one command line (without the program's own name) to its end. Resolves to the exit code; never rejects. */
export async function runProgram(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const program = createProgram(surroundings);
  const output = new Output({ ...surroundings, mode: () => modeOf(program, argv) });
  const cli = new Cli({ ...surroundings, output, globals: () => program.opts() });
  const words = ["sandboxgw"];
  const command = () => words.join(" ");
  try {
    addNouns(program, cli, (word) => void words.push(word));
    await program.parseAsync(askedForHelp(argv), { from: "user" });
    return cli.exitCode;
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) return renderError(output, thrown, command());
    // Help and version were asked for and are printed, or a noun was given no verb and its help is.
    if (thrown.exitCode === 0) return EXIT.ok;
    return thrown.code === "commander.help" ? EXIT.usage : renderError(output, usageErrorFrom(thrown), command());
  }
}

function createProgram({ stdout, stderr }: Surroundings): Command {
  return new Command("sandboxgw")
    .description("The front door of a fleet of sandboxes.")
    .version(VERSION, "-V, --version", "print the version")
    .option("--data-dir <folder>", "where the gateway keeps its state [env: DATA_DIR]")
    .option("--config <file>", "configuration file [env: SANDBOXGW_CONFIG]")
    .addOption(new Option("-o, --output <format>", "how to print").choices(["table", "json"]).default("table"))
    .option("--json", "same as --output json")
    .helpOption("-h, --help", "show help")
    .configureHelp({ showGlobalOptions: true })
    .helpCommand("help [command]", "show help of a command")
    .addHelpText("beforeAll", ({ command }) => refuseUnknown(command))
    .addHelpText("after", HELP)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      // Errors are printed by renderError, once and in one place.
      outputError: () => {},
    });
}

/** Help was asked for, of something that is not there: to show what stands above it would say that all is well. */
function refuseUnknown({ args, commands }: Command): string {
  const [word] = args;
  if (word === undefined || word === "help" || word.startsWith("-") || commands.length === 0) return "";
  const names = commands.flatMap((command) => [command.name(), ...command.aliases()]);
  if (names.includes(word)) return "";
  const meant = nearest(word, names);
  throw new UsageError(`unknown command '${word}'${meant === undefined ? "" : ` (Did you mean ${meant}?)`}`);
}

/** `onWord` gets the words of the command that is run, one by one. */
function addNouns(program: Command, cli: Cli, onWord: (word: string) => void): void {
  for (const [name, { summary }] of Object.entries(NOUNS))
    program.command(name).summary(summary).description(sentence(summary));
  program.hook("preSubcommand", async (_program, command) => {
    onWord(command.name());
    command.hook("preSubcommand", (_noun, verb) => onWord(verb.name()));
    const define = await NOUNS[command.name()]?.load();
    define?.(command.helpCommand(false), cli);
  });
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}

/** `help token create` as `token create --help`: verbs are only known once their noun is loaded. */
function askedForHelp(argv: readonly string[]): string[] {
  const [first, ...command] = argv;
  return first === "help" && command.length > 0 ? [...command, "--help"] : [...argv];
}

/** From the parsed options, or, when parsing failed before them, from the words. */
function modeOf(program: Command, argv: readonly string[]): OutputMode {
  const { output, json } = program.opts<{ output?: string; json?: boolean }>();
  if (json === true || output === "json") return "json";
  return argv.includes("--json") || argv.join("\n").includes("-o\njson") ? "json" : "table";
}

function usageErrorFrom(error: CommanderError): UsageError {
  const message = error.message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
  const address =
    error.code === "commander.excessArguments" ? /\bhttp:\/\/[^\s,]+[^\s,.]/.exec(message)?.[0] : undefined;
  return new UsageError(message, address && `Put --url before the address: --url ${address}`);
}
