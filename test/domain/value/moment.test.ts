import { describe, expect, it } from "vitest";
import { moment } from "../../../src/domain/value/moment.ts";

const NOW = Date.parse("2026-03-10T12:00:00Z");
const time = moment(() => NOW);

describe("a moment", () => {
  it.each([
    ["2026-03-01", "2026-03-01T00:00:00.000Z"],
    ["2026-03-01T12:30Z", "2026-03-01T12:30:00.000Z"],
    ["2026-03-01 12:30:15z", "2026-03-01T12:30:15.000Z"],
    ["2026-03-01T12:30:00.25+02:00", "2026-03-01T10:30:00.250Z"],
    ["1h", "2026-03-10T11:00:00.000Z"],
    ["7d", "2026-03-03T12:00:00.000Z"],
  ])("%s is %s", (text, expected) => {
    expect(time.format(time.parse(text))).toBe(expected);
  });

  it.each([
    ["3600", "neither a date nor a duration"],
    ["yesterday", "is not a duration"],
    ["2026-03-01T12:30", "neither a date"],
    ["2026-02-30", "no day or time that there is"],
    ["2026-02-30T25:00Z", "no day or time that there is"],
    ["-1h", "is not a duration"],
    ["", "neither a date"],
  ])("%j is none: %s", (text, reason) => {
    expect(() => time.parse(text)).toThrow(expect.objectContaining({ details: expect.stringContaining(reason) }));
  });
});
