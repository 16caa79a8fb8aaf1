import {
  type CheckKind,
  fastIntervalMs,
  type HealthDefaults,
  healthCheckOf,
  type HealthState,
} from "../../../domain/instance/health.ts";
import type { Change } from "../../../domain/change.ts";
import type { Instance, Sandbox } from "../../../domain/sandbox.ts";
import { Deadlines } from "../../request/deadlines.ts";
import type { Reached } from "../../upstream/reach/reach.ts";
import { askByProgram } from "../probes/exec.ts";
import { askByHttp } from "../probes/http.ts";
import { type Ask, type Finding, reasonOf } from "../probes/probe.ts";
import { askByTcp } from "../probes/tcp.ts";
import { Agenda, type Clock, SYSTEM_CLOCK } from "./agenda.ts";
import { Lane } from "./lane.ts";
import { Subject, toldHostOf } from "./subject.ts";

/** What the configuration says about checks. */
export interface HealthLimits {
  readonly defaults: HealthDefaults;
  /** Checks at a time. */
  readonly concurrency: number;
  /** Paths of the programs that may be used, by name. */
  readonly programs: Readonly<Record<string, string>>;
}

/** What has changed about an instance, or is so. */
export interface HealthNews {
  readonly instance: Instance;
  readonly state: HealthState;
  readonly before: HealthState;
  /** Why its last check failed; null when it went well. */
  readonly problem: Finding;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

export interface HealthLoopOptions {
  readonly limits: HealthLimits;
  /** Where it is written down for all threads. */
  readonly board: { setHealth(instance: Instance, state: HealthState): void };
  /** The way to an instance, the same as its traffic's. Asked once as long as its sandbox's settings stay. */
  readonly reach: (instance: Instance, sandbox: Sandbox) => Reached;
  readonly onChange: (news: HealthNews) => void;
  /** A sandbox's checks cannot be made as they are set; told when its settings or the configuration change. */
  readonly onUnable: (sandboxId: string, why: string) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
}

const ASK: Readonly<Record<CheckKind, Ask>> = { http: askByHttp, tcp: askByTcp, exec: askByProgram };

/** Each is a process to be started, and starting one stops everything else for a moment. */
const MAX_PROGRAMS = 8;
/** Times are a fifth longer or shorter by chance: what began together must not stay together. */
const JITTER = 0.2;
/** What is added alone is checked for the first time within this time; what is there at the start, within its interval. */
const SOON_MS = 1_000;

/**
 * Asks instances again and again whether they are well, where that is wanted, and writes down when the answer changes. It
 * holds no connection, sets no timer and takes no time while nobody is to be asked.
 */
export class HealthLoop {
  readonly #o: HealthLoopOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #agenda: Agenda<Subject>;
  readonly #lanes: Readonly<Record<CheckKind, Lane<Subject>>>;
  #limits: HealthLimits;
  /** By sandbox and instance id. */
  readonly #checked = new Map<string, { sandbox: Sandbox; readonly subjects: Map<string, Subject> }>();
  readonly #down = new Map<string, HealthNews>();
  #deadlines: Deadlines | undefined;
  #stopped = false;
  /** Checks that went well and that failed, since the start. */
  readonly counts = { well: 0, failed: 0 };

  constructor(options: HealthLoopOptions) {
    this.#o = options;
    this.#limits = options.limits;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#random = options.random ?? Math.random;
    const lane = (limit: number) => new Lane<Subject>({ limit, start: (subject) => this.#ask(subject) });
    const network = lane(this.#limits.concurrency);
    this.#lanes = { http: network, tcp: network, exec: lane(Math.min(MAX_PROGRAMS, this.#limits.concurrency)) };
    this.#agenda = new Agenda({
      clock: this.#clock,
      onDue: (subject) => this.#lanes[subject.check.kind].enter(subject),
    });
  }

  /** The instances that are down, by id. */
  get down(): ReadonlyMap<string, HealthNews> {
    return this.#down;
  }

  /** How many instances are checked. */
  get size(): number {
    let size = 0;
    for (const { subjects } of this.#checked.values()) size += subjects.size;
    return size;
  }

  /** The sandboxes whose instances are checked. */
  *sandboxes(): Iterable<Sandbox> {
    for (const { sandbox } of this.#checked.values()) yield sandbox;
  }

  /** Every sandbox there is. */
  replace(sandboxes: readonly Sandbox[]): void {
    const present = new Set(sandboxes.map(({ id }) => id));
    for (const id of this.#checked.keys()) if (!present.has(id)) this.#drop(id);
    for (const sandbox of sandboxes) this.#put(sandbox, Number.POSITIVE_INFINITY);
  }

  /** From now on nothing is asked that is not to be, and what is asked is answered to nobody. */
  apply(change: Change): void {
    if (change.kind === "sandbox.put") this.#put(change.sandbox, SOON_MS);
    else if (change.kind === "sandbox.removed") this.#drop(change.sandboxId);
  }

  /** Another configuration, for every sandbox there is. The ways to the instances are found anew. */
  configure(limits: HealthLimits, sandboxes: Iterable<Sandbox>): void {
    this.#limits = limits;
    this.#lanes.http.setLimit(limits.concurrency);
    this.#lanes.exec.setLimit(Math.min(MAX_PROGRAMS, limits.concurrency));
    for (const sandbox of sandboxes) this.#put(sandbox, Number.POSITIVE_INFINITY, true);
  }

  /** What is known of an instance as it was when another daemon looked last. */
  recall(news: Pick<HealthNews, "problem" | "since">, instanceId: string, sandboxId: string): void {
    const subject = this.#checked.get(sandboxId)?.subjects.get(instanceId);
    if (subject === undefined) return;
    subject.standing.recall("down", news.problem);
    this.#down.set(instanceId, { instance: subject.instance, state: "down", before: "down", ...news });
    this.#o.board.setHealth(subject.instance, "down");
  }

  /** No connection and no process is left of it. */
  stop(): void {
    this.#stopped = true;
    for (const id of this.#checked.keys()) this.#drop(id);
  }

  #put(sandbox: Sandbox, firstWithinMs: number, anew = false): void {
    if (this.#stopped) return;
    const check = healthCheckOf(sandbox, this.#limits.defaults);
    const program = check?.kind === "exec" ? this.#programOf(sandbox.id, check.program) : "";
    if (check === undefined || program === undefined) return this.#drop(sandbox.id);
    const before = this.#checked.get(sandbox.id)?.subjects;
    const subjects = new Map<string, Subject>();
    this.#checked.set(sandbox.id, { sandbox, subjects });
    const told = toldHostOf(sandbox);
    const { tlsCa, tlsServerName, tlsSkipVerify } = sandbox.settings;
    const settings = JSON.stringify([check, told, program, tlsCa, tlsServerName, tlsSkipVerify]);
    for (const instance of sandbox.instances) {
      const key = `${instance.number} ${instance.url} ${settings}`;
      const known = before?.get(instance.id);
      before?.delete(instance.id);
      if (known !== undefined && known.key === key && !anew) {
        known.instance = instance;
        subjects.set(instance.id, known);
        continue;
      }
      const reach = (): Reached => this.#o.reach(instance, sandbox);
      const subject = new Subject({ instance, check, told, program, key, reach });
      subjects.set(instance.id, subject);
      if (known !== undefined) this.#succeed(known, subject);
      this.#agenda.add(subject, this.#random() * Math.min(check.intervalMs, firstWithinMs));
    }
    for (const gone of before?.values() ?? []) this.#forget(gone);
  }

  /** A check that is made otherwise from now on begins with what is known: the instance itself is as it was. */
  #succeed(known: Subject, subject: Subject): void {
    this.#end(known);
    if (known.instance.number === subject.instance.number)
      subject.standing.recall(known.standing.state, known.standing.problem);
    else this.#down.delete(known.instance.id);
  }

  #programOf(sandboxId: string, name: string): string | undefined {
    const { programs } = this.#limits;
    if (Object.hasOwn(programs, name)) return programs[name];
    this.#o.onUnable(sandboxId, `there is no program ${JSON.stringify(name)} in HEALTH_PROGRAMS`);
    return undefined;
  }

  /** Nothing of it is checked any more. */
  #drop(sandboxId: string): void {
    const dropped = this.#checked.get(sandboxId);
    if (dropped === undefined) return;
    this.#checked.delete(sandboxId);
    for (const subject of dropped.subjects.values()) this.#forget(subject);
    if (this.#checked.size > 0) return;
    this.#deadlines?.close();
    this.#deadlines = undefined;
  }

  #forget(subject: Subject): void {
    this.#end(subject);
    this.#down.delete(subject.instance.id);
    this.#o.board.setHealth(subject.instance, "unchecked");
  }

  #end(subject: Subject): void {
    this.#agenda.delete(subject);
    if (subject.asking !== undefined) {
      this.#deadlines?.unwatch(subject.asking);
      subject.asking.cancel();
      subject.asking = undefined;
    }
    this.#lanes[subject.check.kind].leave(subject);
  }

  #ask(subject: Subject): void {
    const { timeoutMs, kind } = subject.check;
    const done = (finding: Finding): void => {
      if (subject.asking === asking) this.#done(subject, finding);
    };
    const asking = {
      deadline: performance.now() + timeoutMs,
      place: -1,
      cancel: (): void => undefined,
      expire(): void {
        asking.cancel();
        done(`no answer within ${timeoutMs} ms`);
      },
    };
    subject.asking = asking;
    this.#deadlines ??= new Deadlines();
    this.#deadlines.watch(asking);
    try {
      const made = ASK[kind](subject, done);
      asking.cancel = () => made.cancel();
    } catch (error) {
      setImmediate(() => done(reasonOf(error as Error)));
    }
  }

  #done(subject: Subject, finding: Finding): void {
    const { check, standing, instance, asking } = subject;
    if (asking !== undefined) this.#deadlines?.unwatch(asking);
    subject.asking = undefined;
    if (finding === null) this.counts.well += 1;
    else this.counts.failed += 1;
    const before = standing.state;
    if (standing.take(finding, check)) {
      this.#tell({ instance, state: standing.state, before, problem: finding, since: Date.now() });
    }
    const ms = standing.isTroubled ? fastIntervalMs(check) : check.intervalMs;
    this.#agenda.add(subject, ms * (1 + JITTER * (2 * this.#random() - 1)));
    this.#lanes[check.kind].leave(subject);
  }

  #tell(news: HealthNews): void {
    const { instance, state } = news;
    if (state === "down") this.#down.set(instance.id, news);
    else this.#down.delete(instance.id);
    this.#o.board.setHealth(instance, state);
    this.#o.onChange(news);
  }
}
