import { userInfo } from "node:os";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { Access } from "./access.ts";
import type { Texts } from "../config/layers.ts";
import type { LoadedConfig, LoadOptions } from "../config/load.ts";
import { EXIT } from "../errors.ts";
import type { Output } from "./output/output.ts";
import { Interrupted, UsageError } from "./usage-error.ts";
import { within } from "./within.ts";

/** What the program runs in: the process's own, or a test's. */
export interface Surroundings {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable;
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** Default: the process's own. */
  readonly env?: Texts;
  readonly cwd?: string;
}

interface CliOptions extends Surroundings {
  readonly output: Output;
  /** Known once the command line is parsed. */
  readonly globals: () => Globals;
}

interface Globals {
  readonly dataDir?: string;
  readonly config?: string;
}

/** What a verb that writes returns beside its result. */
interface Written {
  /** In force when the daemon serves this revision; 0 = at once. */
  readonly revision: number;
}

const SECRET_LIMIT = 64 * 1024;
/** A daemon takes a change over in about 25 ms. */
const IN_FORCE = { ms: 2_000, everyMs: 3 };

/** What every command has at hand: where to print, the configuration, the gateway. */
export class Cli {
  readonly output: Output;
  /** What the process ends with when nothing is thrown. */
  exitCode: number = EXIT.ok;
  readonly #options: CliOptions;

  constructor(options: CliOptions) {
    this.output = options.output;
    this.#options = options;
  }

  /** Where the configuration is looked for. */
  get place(): Omit<LoadOptions, "flags"> {
    const { env, cwd, globals } = this.#options;
    return { ...(env && { env }), ...(cwd !== undefined && { cwd }), configFile: globals().config };
  }

  /** @throws GatewayError GW_012 */
  async loadConfig(flags: LoadOptions["flags"] = {}): Promise<LoadedConfig> {
    return (await this.configReader(flags))();
  }

  /** Reads the configuration each time it is called. It throws GatewayError GW_012. */
  async configReader(flags: LoadOptions["flags"]): Promise<() => LoadedConfig> {
    const { loadConfig } = await import("../config/load.ts");
    return () => loadConfig({ ...this.place, flags: { DATA_DIR: this.#options.globals().dataDir, ...flags } });
  }

  /**
   * Asks before something is destroyed. Without a terminal nobody can be asked, so --yes must say it.
   * @throws UsageError when there is no terminal and no --yes, or the answer was not yes; Interrupted on Ctrl-C.
   */
  async confirm(question: string, { yes = false }: { yes?: boolean }): Promise<void> {
    if (yes) return;
    const { stdin, stderr } = this.#options;
    if (stdin.isTTY !== true || stderr.isTTY !== true) {
      throw new UsageError("nobody can be asked: this is not a terminal", "Add --yes to do it without asking");
    }
    const terminal = createInterface({ input: stdin, output: stderr });
    try {
      const answer = await ask(terminal, `${question} [y/N] `);
      if (answer === null) stderr.write("\n");
      if (/^y(es)?$/i.test(answer?.trim() ?? "")) return;
      throw new UsageError("not confirmed, nothing was changed", "Answer y, or add --yes");
    } finally {
      terminal.close();
    }
  }

  /** All of stdin as text, without the white space around it. @throws UsageError when it is empty or far too long. */
  async readSecret(): Promise<string> {
    const secret = (await this.readInput(SECRET_LIMIT, "a token")).trim();
    if (secret === "") throw new UsageError("stdin is empty");
    return secret;
  }

  /** All of stdin as text. @throws UsageError when it has more than `most` characters. */
  async readInput(most: number, what: string): Promise<string> {
    let text = "";
    for await (const chunk of this.#options.stdin.setEncoding("utf8")) {
      text += String(chunk);
      if (text.length > most) throw new UsageError(`stdin is too long for ${what}`);
    }
    return text;
  }

  /**
   * Runs `work` on the gateway, and closes it again. A data folder that is not there is an error, unless `work` is to fill
   * it: to find nothing in it would say nothing. One that no daemon uses may be the wrong one, so that is said first.
   * @throws GatewayError GW_014
   */
  async use<T>(work: (access: Access) => Promise<T>, { create = false, acceptLoss = false } = {}): Promise<T> {
    const { config } = await this.loadConfig();
    const { Workspace } = await import("./workspace.ts");
    await using access: Access = new Workspace({
      config,
      actor: { name: currentUser(), holding: null },
      create,
      acceptLoss,
    });
    if (access.isNew) this.output.warn(`made a new data folder ${access.place}; no gateway uses it`);
    else if (!access.isServed) this.output.note(`note: no gateway runs on ${access.place}`);
    return await work(access);
  }

  /**
   * The same for work that changes something: comes back when the running daemon has it in force on all its threads, or
   * says that it has not. `wait` false: as soon as it is stored.
   */
  change<T extends Written>(
    work: (access: Access) => Promise<T>,
    options: { create?: boolean; wait: boolean },
  ): Promise<T> {
    return this.use(async (access) => {
      const written = await work(access);
      if (options.wait) await this.#untilInForce(access, written.revision);
      return written;
    }, options);
  }

  async #untilInForce(access: Access, revision: number): Promise<void> {
    const { verbs, actor } = access;
    if (!access.isServed) return;
    if (await within(IN_FORCE, async () => (await verbs.status.inForce(actor)) >= revision)) return;
    if (!access.isServed) return;
    this.output.warn(`stored, but the gateway has not taken it over within ${IN_FORCE.ms} ms: it is not yet in force`);
  }
}

/**
 * The line that is typed; null at the end of the input (Ctrl-D), which is an answer too: a question that stayed open
 * would let the process end as if all were done.
 * @throws Interrupted on Ctrl-C
 */
function ask(terminal: Interface, question: string): Promise<string | null> {
  return new Promise((resolve, reject) => {
    terminal.once("line", resolve);
    terminal.once("SIGINT", () => reject(new Interrupted()));
    terminal.once("close", () => resolve(null));
    terminal.setPrompt(question);
    terminal.prompt();
  });
}

function currentUser(): string {
  try {
    return `cli:${userInfo().username}`;
  } catch {
    // A user without an entry in the user database, as in many containers.
    return `cli:${process.getuid?.() ?? "unknown"}`;
  }
}
