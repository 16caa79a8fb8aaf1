import { duration } from "./quantities.ts";
import { shown, type Value, wrong } from "./value.ts";

// RFC 3339 section 5.6, the seconds and the fraction left out where nobody writes them; a date alone is its first moment in UTC.
const WRITTEN = /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d))?$/;
const ago = duration("0", "36500d");

/** A point in time, ms since the epoch: a date, a date and time, or how long ago it was (`30m`, `7d`). `now`: the same. */
export function moment(now: () => number): Value<number> {
  return {
    hint: "2026-03-01, 2026-03-01T12:00:00Z, or how long ago as in 30m 12h 7d",
    parse(text) {
      if (!WRITTEN.test(text)) return now() - agoOf(text);
      const at = Date.parse(text.toUpperCase().replace(" ", "T"));
      if (Number.isNaN(at) || !isDay(text.slice(0, 10))) throw wrong(`${shown(text)} is no day or time that there is`);
      return at;
    },
    format: (at) => new Date(at).toISOString(),
  };
}

/** Date.parse takes the 30th of February for the 2nd of March. */
function isDay(date: string): boolean {
  return new Date(date).toISOString().startsWith(date);
}

function agoOf(text: string): number {
  if (!/[a-z]$/i.test(text)) throw wrong(`${shown(text)} is neither a date nor a duration with a unit`);
  return ago.parse(text);
}
