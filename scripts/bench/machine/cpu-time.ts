import { readdirSync, readFileSync } from "node:fs";

/** Linux reports CPU time in ticks of USER_HZ, which is 100 on every architecture. */
const MICROSECONDS_PER_TICK = 10_000;

/** CPU time in microseconds, user and system, of a process and everything below it: all threads, living and reaped children. */
export function cpuTime(pid: number): number {
  const own = readStat(`/proc/${pid}/stat`);
  if (own === undefined) throw new Error(`process ${pid} is gone`);
  return own.cpu + own.reaped + children(pid).reduce((sum, child) => sum + cpuTime(child), 0);
}

/** Microseconds in which a core was not idle, since the machine started: all processes, the kernel, and what the hypervisor took. */
export function busyTime(core: number): number {
  const line = readFileSync("/proc/stat", "latin1")
    .split("\n")
    .find((candidate) => candidate.startsWith(`cpu${core} `));
  if (line === undefined) throw new Error(`there is no core ${core}`);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(" ").slice(1).map(Number);
  return (user + nice + system + irq + softirq + steal) * MICROSECONDS_PER_TICK;
}

export interface Thread {
  readonly name: string;
  /** Microseconds, user and system. */
  readonly cpu: number;
}

/** CPU time of each thread of one process, by thread id. */
export function threadTimes(pid: number): Map<number, Thread> {
  const threads = new Map<number, Thread>();
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const stat = readStat(`/proc/${pid}/task/${task}/stat`);
    if (stat !== undefined) threads.set(Number(task), stat);
  }
  return threads;
}

function children(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => readStat(`/proc/${candidate}/stat`)?.parent === pid);
}

interface Stat extends Thread {
  readonly parent: number;
  /** CPU time of children that have ended and been waited for. */
  readonly reaped: number;
}

/** proc_pid_stat(5); undefined when the process or thread has ended. */
function readStat(path: string): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
  // The name stands in parentheses and may contain any character, so fields are counted from its end.
  const end = text.lastIndexOf(")");
  const fields = text.slice(end + 2).split(" ");
  const ticks = (first: number) => (Number(fields[first]) + Number(fields[first + 1])) * MICROSECONDS_PER_TICK;
  return { name: text.slice(text.indexOf("(") + 1, end), parent: Number(fields[1]), cpu: ticks(11), reaped: ticks(13) };
}
