import { type AddedLatency, addedLatency, measure, measureQuietly, type Sample } from "./measure.ts";
import type { Options } from "./options.ts";
import type { Bench, Started, Target } from "./target.ts";
import { targets } from "./targets.ts";

/** A target in the run and what was measured of it. */
export interface Entrant {
  readonly target: Target;
  readonly started: Started;
  readonly rounds: Sample[];
  added?: AddedLatency;
}

const WARM_UP_SECONDS = 2;

/**
 * Starts every target, then loads them one after the other in short turns, so that a slow minute of the machine hits all of them
 * alike. Who fails is told to `progress` and leaves the run; then the exit code is 1.
 */
export async function compare(
  bench: Bench,
  options: Options,
  progress: (line: string) => void,
): Promise<readonly Entrant[]> {
  const entrants: Entrant[] = [];
  const attempt = async (target: Target, work: () => Promise<void>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      if (bench.processes.ended) throw error;
      progress(`${target.name} failed: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
      return false;
    }
  };
  const everyone = async (work: (entrant: Entrant) => Promise<void>): Promise<void> => {
    for (const entrant of entrants.slice()) {
      if (!(await attempt(entrant.target, () => work(entrant)))) entrants.splice(entrants.indexOf(entrant), 1);
    }
  };

  progress("starting, warming up");
  for (const target of choose(options, progress)) {
    await attempt(target, async () => {
      entrants.push({ target, started: await target.start(bench), rounds: [] });
    });
  }
  await everyone(async ({ started }) => {
    await measure(started, bench, { ...options, seconds: WARM_UP_SECONDS });
  });
  for (let round = 1; round <= options.rounds; round++) {
    progress(`round ${round} of ${options.rounds}`);
    await everyone(async ({ started, rounds }) => {
      rounds.push(await measureQuietly(started, bench, options));
    });
  }
  if (options.rate > 0) {
    progress(`latency at ${options.rate} requests/s`);
    await everyone(async (entrant) => {
      if (entrant.target.paced === true) entrant.added = await addedLatency(entrant.started, bench, options.rate);
    });
  }
  return entrants;
}

/** The targets asked for that can run here; says what is left out and why. */
function choose({ only, against }: Options, progress: (line: string) => void): Target[] {
  const all = targets(against);
  const unknown = only.filter((name) => !all.some((target) => target.name === name));
  if (unknown.length > 0) {
    throw new TypeError(`no target ${unknown.join(", ")}; there are ${all.map(({ name }) => name).join(", ")}`);
  }
  const chosen = all.filter(({ name }) => only.length === 0 || only.includes(name));
  for (const { name, missing } of chosen) if (missing !== undefined) progress(`skipped: ${name}: ${missing}`);
  return chosen.filter(({ missing }) => missing === undefined);
}
