import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type KeyName, KEY_NAMES, SCHEMA } from "../../../src/config/schema.ts";
import { host, networks } from "../../../src/domain/value/networks.ts";
import { autoOr, duration, integer, size } from "../../../src/domain/value/quantities.ts";
import { choice, flag, secret } from "../../../src/domain/value/words.ts";
import type { Value } from "../../../src/domain/value/value.ts";
import { GatewayError } from "../../../src/errors.ts";

const span = duration("0s", "3650d");
const bytes = size("0b", "1024gb");

test.each([
  ["30", 30_000],
  ["3600", 3_600_000],
  ["250ms", 250],
  ["30s", 30_000],
  ["5m", 300_000],
  ["1h", 3_600_000],
  ["7d", 604_800_000],
  ["1.1m", 66_000],
  ["0.5", 500],
  ["10 S", 10_000],
  ["0", 0],
])("the duration %s is %d milliseconds", (text, milliseconds) => {
  expect(span.parse(text)).toBe(milliseconds);
});

test.each([
  ["1000", 1000],
  ["64kb", 65_536],
  ["10mb", 10_485_760],
  ["1GB", 1_073_741_824],
  ["1.5kb", 1536],
])("the size %s is %d bytes", (text, expected) => {
  expect(bytes.parse(text)).toBe(expected);
});

test("a duration or size reads back as what was formatted", () => {
  for (const value of [span, bytes]) {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 38 }), (amount) => {
        expect(value.parse(value.format(amount))).toBe(amount);
      }),
    );
  }
});

test("a value is formatted in the largest unit that divides it", () => {
  expect([90_000, 3_600_000, 1500, 0].map((value) => span.format(value))).toEqual(["90s", "1h", "1500ms", "0"]);
  expect([1536, 1024 ** 2].map((value) => bytes.format(value))).toEqual(["1536b", "1mb"]);
});

test.each<[Value<unknown>, string, string]>([
  [span, "10mb", '"10mb" is not a duration (seconds, or with a unit as in 250ms 30s 5m 1h 7d)'],
  [span, "-1s", '"-1s" is not a duration'],
  [span, "", '"" is not a duration'],
  [span, "1e3", '"1e3" is not a duration'],
  [span, "0.1ms", '"0.1ms" is finer than a duration can be'],
  [duration("1s", "1h"), "2h", '"2h" is not between 1s and 1h'],
  [bytes, "10m", '"10m" is not a size (bytes, or with a unit as in 64kb 10mb 1gb)'],
  [integer(0, 65535), "65536", '"65536" is not between 0 and 65535'],
  [integer(0, 65535), "0x50", '"0x50" is not a whole number'],
  [autoOr(integer(1, 4)), "Auto", '"Auto" is not a whole number'],
  [flag(), "maybe", '"maybe" is neither true nor false'],
  [choice("strict", "relaxed"), "relax", '"relax" is not one of: strict, relaxed (did you mean relaxed?)'],
  [choice("strict", "relaxed"), "whatever", '"whatever" is not one of: strict, relaxed'],
  [host(), "127.0.0.256", '"127.0.0.256" is not an IP address or host name'],
  [host(), "[::1]", '"[::1]" is not an IP address or host name'],
  [networks(), "10.0.0.0/33", '"10.0.0.0/33" is not an address or network'],
  [networks(), "10.0.0.0/8, example.com", '"example.com" is not an address or network'],
  [networks(), "fe80::1%eth0", '"fe80::1%eth0" is not an address or network'],
  [secret(8), "hunter2", "has 7 bytes, needs at least 8"],
])("%# a wrong value is refused with its reason: %3$s", (value, text, reason) => {
  expect(reasonOf(value, text)).toContain(reason);
});

test("a long wrong value is cut and its control characters are escaped in the message", () => {
  const reason = reasonOf(flag(), `\u001b[2J${"x".repeat(500)}`);
  expect(reason.length).toBeLessThan(120);
  expect(reason).not.toContain("\u001b");
});

test("a list of networks is written out with prefixes", () => {
  expect(networks().parse("10.0.0.0/8,192.168.1.5  2001:db8::/32, ::1")).toEqual([
    "10.0.0.0/8",
    "192.168.1.5/32",
    "2001:db8::/32",
    "::1/128",
  ]);
  expect(networks().parse("")).toEqual([]);
});

test("addresses and names can be listened on", () => {
  for (const name of ["0.0.0.0", "::", "localhost", "gateway-1.example.com"]) expect(host().parse(name)).toBe(name);
});

test("a flag has the usual spellings", () => {
  expect(["true", "Yes", "on", "1"].map((text) => flag().parse(text))).toEqual([true, true, true, true]);
  expect(["FALSE", "no", "off", "0"].map((text) => flag().parse(text))).toEqual([false, false, false, false]);
});

test.each(KEY_NAMES)("the default of %s is a value of it, and formatting it loses nothing", (name: KeyName) => {
  const value: Value<unknown> = SCHEMA[name].value;
  const parsed = value.parse(SCHEMA[name].initial);
  expect(value.parse(value.format(parsed))).toEqual(parsed);
});

test("no timer is longer than Node's timers can be", () => {
  const noTimer = [
    "AUTH_TOKEN_EXPIRY",
    "API_KEY_EXPIRY",
    "RATE_LIMIT_WINDOW",
    "PROXY_RATE_LIMIT_WINDOW",
    "STICKY_TTL",
    "AUTH_LOCKOUT_DURATION",
    "SESSION_IDLE_TIMEOUT",
    "SESSION_MAX_AGE",
    "JWKS_STALE_TTL",
  ];
  const timers = KEY_NAMES.filter((name) => SCHEMA[name].value.hint.startsWith("duration") && !noTimer.includes(name));
  expect(timers.length).toBeGreaterThan(8);
  for (const name of timers) expect(reasonOf(SCHEMA[name].value, "25d")).toContain("is not between");
});

function reasonOf(value: Value<unknown>, text: string): string {
  try {
    value.parse(text);
  } catch (error) {
    if (error instanceof GatewayError && error.code === "VAL_010") return error.details;
    throw error;
  }
  throw new Error(`${text} was accepted`);
}
