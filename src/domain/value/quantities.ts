import { shown, type Value, wrong } from "./value.ts";

const DURATION_UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_UNITS = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 } as const;

/** A time span in milliseconds. A bare number is seconds; `250ms`, `30s`, `5m`, `1h`, `7d` and fractions work too. */
export function duration(least: string, most: string): Value<number> {
  return quantity({
    noun: "duration",
    example: "seconds, or with a unit as in 250ms 30s 5m 1h 7d",
    units: DURATION_UNITS,
    bare: DURATION_UNITS.s,
    range: [least, most],
  });
}

/** A number of bytes. A bare number is bytes; `64kb`, `10mb`, `1gb` are powers of 1024. */
export function size(least: string, most: string): Value<number> {
  return quantity({
    noun: "size",
    example: "bytes, or with a unit as in 64kb 10mb 1gb",
    units: SIZE_UNITS,
    bare: SIZE_UNITS.b,
    range: [least, most],
  });
}

export function integer(least: number, most: number): Value<number> {
  return {
    hint: `${least} to ${most}`,
    parse(text) {
      if (!/^\d+$/.test(text)) throw wrong(`${shown(text)} is not a whole number`);
      const value = Number(text);
      if (value < least || value > most) throw wrong(`${shown(text)} is not between ${least} and ${most}`);
      return value;
    },
    format: String,
  };
}

/** The word `auto`, or what `value` allows. */
export function autoOr(value: Value<number>): Value<"auto" | number> {
  return wordOr("auto", value);
}

/** The word `off`, or what `value` allows. */
export function offOr(value: Value<number>): Value<"off" | number> {
  return wordOr("off", value);
}

function wordOr<const W extends string>(word: W, value: Value<number>): Value<W | number> {
  return {
    hint: `${word}, or ${value.hint}`,
    parse: (text) => (text === word ? word : value.parse(text)),
    format: (chosen) => (typeof chosen === "number" ? value.format(chosen) : chosen),
  };
}

/** So many requests per window, of which `burst` may come at once. */
export interface Rate {
  readonly requests: number;
  readonly windowMs: number;
  readonly burst: number;
}

/** `100/60s`, or `100/60s:20` where only 20 may come at once. */
export function rate(): Value<Rate> {
  const count = integer(1, 10_000_000);
  const window = duration("1ms", "30d");
  return {
    hint: "REQUESTS/WINDOW[:BURST] as in 100/60s:20",
    parse(text) {
      const [, requests, over, burst = requests] = /^(\d+)\/([^:/]+)(?::(\d+))?$/.exec(text) ?? [];
      if (requests === undefined || over === undefined || burst === undefined) {
        throw wrong(`${shown(text)} is no rate such as 100/60s, or 100/60s:20 where only 20 may come at once`);
      }
      return { requests: count.parse(requests), windowMs: window.parse(over.trim()), burst: count.parse(burst) };
    },
    format: ({ requests, windowMs, burst }) =>
      `${requests}/${window.format(windowMs)}${burst === requests ? "" : `:${burst}`}`,
  };
}

/** A list of rates by name: `run_code=100/60s, run_command=10/60s`. */
export function namedRates(): Value<Readonly<Record<string, Rate>>> {
  const one = rate();
  return {
    hint: "list of NAME=REQUESTS/WINDOW[:BURST]",
    parse(list) {
      const entries = list.split(",").map((entry) => entry.trim());
      const pairs = entries
        .filter((entry) => entry !== "")
        .map((entry): [string, Rate] => {
          const [, name, text] = /^([A-Za-z][A-Za-z0-9._-]{0,63})\s*=\s*(\S+)$/.exec(entry) ?? [];
          if (name === undefined || text === undefined)
            throw wrong(`${shown(entry)} is not NAME=RATE as in run_code=100/60s`);
          return [name, one.parse(text)];
        });
      const twice = pairs.find(([name], index) => pairs.findIndex(([other]) => other === name) !== index);
      if (twice !== undefined) throw wrong(`${shown(twice[0])} is named twice`);
      return Object.fromEntries(pairs);
    },
    format: (rates) =>
      Object.entries(rates)
        .map(([name, each]) => `${name}=${one.format(each)}`)
        .join(", "),
  };
}

interface Quantity {
  readonly noun: string;
  /** How it is written. */
  readonly example: string;
  /** Base units per unit, smallest unit first. */
  readonly units: Readonly<Record<string, number>>;
  /** What a number without a unit counts in. */
  readonly bare: number;
  readonly range: readonly [least: string, most: string];
}

function quantity({ noun, example, units, bare, range }: Quantity): Value<number> {
  const read = (written: string): number => {
    const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(written) ?? [];
    const factor = unit === "" ? bare : units[unit.toLowerCase()];
    if (amount === undefined || factor === undefined) throw wrong(`${shown(written)} is not a ${noun} (${example})`);
    const value = Math.round(Number(amount) * factor);
    // 1.1 * 60_000 is not quite 66_000; half a byte is not a size.
    if (Math.abs(value - Number(amount) * factor) > 1e-6)
      throw wrong(`${shown(written)} is finer than a ${noun} can be`);
    return value;
  };
  const [least, most] = [read(range[0]), read(range[1])];
  return {
    hint: `${noun}, ${range[0]} to ${range[1]}`,
    parse(written) {
      const value = read(written);
      if (value < least || value > most) throw wrong(`${shown(written)} is not between ${range[0]} and ${range[1]}`);
      return value;
    },
    format(value) {
      if (value === 0) return "0";
      const [unit, factor] = Object.entries(units).findLast(([, each]) => value % each === 0) ?? ["", bare];
      return `${value / factor}${unit}`;
    },
  };
}
