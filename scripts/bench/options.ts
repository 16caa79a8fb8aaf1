import { parseArgs } from "node:util";

export interface Options {
  /** Names of the targets to run; empty means all. */
  readonly only: readonly string[];
  readonly connections: number;
  /** Seconds of load per target and round, after two seconds of warm-up. */
  readonly seconds: number;
  /** How often every target has its turn; the median is reported. */
  readonly rounds: number;
  /** Requests per second of the latency probe; 0 leaves it out. */
  readonly rate: number;
  /** Where the results go as JSON. */
  readonly json: string;
  /** Options for the gateway's Node, to try their effect. */
  readonly nodeOptions: readonly string[];
  /** Another checkout of this project, whose gateway runs beside this one's; empty for none. */
  readonly against: string;
  /** Sandboxes that are registered beside the one that is called. */
  readonly sandboxes: number;
  /** Measure the memory of so many idle connections instead; 0 = no. */
  readonly idle: number;
  /** Show where the gateway's microseconds go, instead of comparing it with its peers. */
  readonly profile: boolean;
}

export const USAGE = `npm run bench -- [options]

  --only a,b         run these targets only (names as in the table)
  --connections N    connections of the load generator (64)
  --seconds N        seconds of load per target and round (2)
  --rounds N         rounds, each with every target once; medians are reported (5)
  --rate N           requests/s of the latency probe (2000), 0 for none
  --json PATH        where to write the results (dist/bench.json)
  --node-options="…" options for the gateway's Node, to try their effect
  --against FOLDER   another checkout (with its node_modules): its gateway is a target too, "sandboxgw before"
  --sandboxes N      sandboxes that are registered beside the one that is called (0)
  --idle N           the gateway's memory for each of N idle connections instead: WebSockets, then kept-alive ones
  --profile          a CPU profile of the gateway by layer instead`;

/** Parses the command line; throws a TypeError that names the offending option. */
export function parseOptions(args: string[]): Options | "help" {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: "string", default: "" },
      connections: { type: "string", default: "64" },
      seconds: { type: "string", default: "2" },
      rounds: { type: "string", default: "5" },
      rate: { type: "string", default: "2000" },
      json: { type: "string", default: "dist/bench.json" },
      "node-options": { type: "string", default: "" },
      against: { type: "string", default: "" },
      sandboxes: { type: "string", default: "0" },
      idle: { type: "string", default: "0" },
      profile: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  return {
    only: words(values.only, ","),
    connections: count("--connections", values.connections, 1),
    seconds: count("--seconds", values.seconds, 1),
    rounds: count("--rounds", values.rounds, 1),
    rate: count("--rate", values.rate, 0),
    json: values.json,
    nodeOptions: words(values["node-options"], " "),
    against: values.against,
    sandboxes: count("--sandboxes", values.sandboxes, 0),
    idle: count("--idle", values.idle, 0),
    profile: values.profile,
  };
}

function words(text: string, separator: string): string[] {
  return text.split(separator).filter((word) => word !== "");
}

function count(option: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least)
    throw new TypeError(`${option} must be a whole number from ${least} on`);
  return value;
}
