import { shown, type Value, wrong } from "./value.ts";

const MOST = 64;
const PORT = /^[1-9][0-9]{0,4}$/;

/** Ports from one to another, both included. */
export type PortRange = readonly [from: number, to: number];

/** A port in its one spelling: decimal, without sign or leading zeros. Undefined for anything else. */
export function portFrom(text: string): number | undefined {
  const port = PORT.test(text) ? Number(text) : 0;
  return port > 0 && port <= 65_535 ? port : undefined;
}

/** Ports and ranges of them: `3000,8000-8100`. What touches or overlaps becomes one range, in ascending order. */
export function ports(): Value<readonly PortRange[]> {
  return {
    hint: "list of ports and ranges, 1 to 65535",
    parse(text) {
      const entries = text
        .split(/[\s,]+/)
        .filter((entry) => entry !== "")
        .map(range);
      if (entries.length === 0) throw wrong("a port or a range is expected, such as 3000,8000-8100");
      if (entries.length > MOST) throw wrong(`more than ${MOST} ports and ranges`);
      return joined(entries.toSorted(([a], [b]) => a - b));
    },
    format: (ranges) => ranges.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(","),
  };
}

function range(entry: string): PortRange {
  const [first = "", last = first, ...rest] = entry.split("-");
  const [from, to] = [portFrom(first), portFrom(last)];
  if (from === undefined || to === undefined || to < from || rest.length > 0) {
    throw wrong(`${shown(entry)} is not a port or a range of ports such as 3000 or 8000-8100`);
  }
  return [from, to];
}

/** `sorted`: by where they begin. */
function joined(sorted: readonly PortRange[]): PortRange[] {
  const ranges: [from: number, to: number][] = [];
  for (const [from, to] of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else ranges.push([from, to]);
  }
  return ranges;
}
