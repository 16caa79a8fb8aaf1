import { isIP } from "node:net";
import { GatewayError } from "../errors.ts";
import { nearest } from "./nearest.ts";

/** One kind of configuration value: how it is written, checked and shown. */
export interface Value<T> {
  /** What may be written, in a few words: kind, unit and range. */
  readonly hint: string;
  /** The value of a text without surrounding space. @throws GatewayError VAL_010 whose details are the reason. */
  parse(text: string): T;
  /** A text that `parse` turns into the same value again. */
  format(value: T): string;
  /** Never shown, never part of a message; may also come from the file named by KEY_FILE. */
  readonly secret?: true;
  /** A file or folder: load.ts makes it absolute. */
  readonly path?: true;
}

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

export function flag(): Value<boolean> {
  return {
    hint: "true or false",
    parse(text) {
      if (/^(true|yes|on|1)$/i.test(text)) return true;
      if (/^(false|no|off|0)$/i.test(text)) return false;
      throw wrong(`${shown(text)} is neither true nor false`);
    },
    format: String,
  };
}

/** One of a few words. */
export function choice<const T extends string>(...words: readonly T[]): Value<T> {
  return {
    hint: words.length === 1 ? `only ${words[0]}` : words.join(", "),
    parse(text) {
      const found = words.find((word) => word === text);
      if (found !== undefined) return found;
      const meant = nearest(text.toLowerCase(), words);
      throw wrong(`${shown(text)} is not one of: ${words.join(", ")}${meant ? ` (did you mean ${meant}?)` : ""}`);
    },
    format: (word) => word,
  };
}

/** A short text of printable characters. */
export function label(): Value<string> {
  return {
    hint: "text",
    parse(value) {
      if (value === "" || value.length > 256 || /\p{Cc}/u.test(value))
        throw wrong("must be 1 to 256 printable characters");
      return value;
    },
    format: (value) => value,
  };
}

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;

/** An address or name to listen on. */
export function host(): Value<string> {
  return {
    hint: "IP address or host name",
    parse(value) {
      // A name of digits and dots only is a mistyped address, whatever DNS would make of it.
      const named = HOST_NAME.test(value) && !/^[\d.]+$/.test(value);
      if (isIP(value) === 0 && !named) throw wrong(`${shown(value)} is not an IP address or host name`);
      return value;
    },
    format: (value) => value,
  };
}

/** A list of networks, each written out as `address/prefix`: a single address gets /32 or /128. */
export function networks(): Value<readonly string[]> {
  return {
    hint: "list of addresses and CIDR networks",
    parse: (list) =>
      list
        .split(/[\s,]+/)
        .filter((entry) => entry !== "")
        .map(network),
    format: (list) => list.join(", "),
  };
}

/** A file or folder; empty = none. */
export function path(): Value<string> {
  return {
    hint: "path",
    parse(value) {
      if (value.includes("\0")) throw wrong("a path has no NUL character");
      return value;
    },
    format: (value) => value,
    path: true,
  };
}

/** A secret of at least `leastBytes` bytes in UTF-8; empty = none. */
export function secret(leastBytes: number): Value<string> {
  return {
    hint: `at least ${leastBytes} bytes`,
    parse(value) {
      const bytes = Buffer.byteLength(value);
      if (value !== "" && bytes < leastBytes) throw wrong(`has ${bytes} bytes, needs at least ${leastBytes}`);
      return value;
    },
    format: (value) => value,
    secret: true,
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

function network(entry: string): string {
  const [address = "", prefix, ...rest] = entry.split("/");
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
  // Zone indices (fe80::1%eth0) name an interface of one machine and match nothing.
  if (bits === 0 || address.includes("%") || rest.length > 0 || length < 0 || length > bits) {
    throw wrong(`${shown(entry)} is not an address or network such as 10.0.0.0/8 or 2001:db8::/32`);
  }
  return `${address}/${length}`;
}

function wrong(reason: string): GatewayError {
  return new GatewayError("VAL_010", { details: reason });
}

/** A value inside a message: quoted, control characters escaped, long ones cut. */
function shown(value: string): string {
  return JSON.stringify(value.length > 48 ? `${value.slice(0, 48)}…` : value);
}
