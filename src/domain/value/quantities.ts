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
