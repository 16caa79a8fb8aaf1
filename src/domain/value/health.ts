import { shown, type Value, wrong } from "./value.ts";

/** Statuses of HTTP answers, both ends included. */
export type StatusRange = readonly [least: number, most: number];

/** `200-299, 304`: ranges of statuses, or single ones. */
export function statuses(): Value<readonly StatusRange[]> {
  return {
    hint: "statuses and ranges, as 200-299, 304",
    parse(text) {
      const ranges = wordsIn(text).map(statusRange);
      if (ranges.length === 0 || ranges.length > 20) throw wrong("names 1 to 20 statuses or ranges");
      return ranges;
    },
    format: (ranges) => ranges.map(([least, most]) => (least === most ? `${least}` : `${least}-${most}`)).join(", "),
  };
}

function statusRange(text: string): StatusRange {
  const [, least = "", most = least] = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(text) ?? [];
  // A 1xx is no answer.
  if (least === "" || Number(least) < 200 || Number(most) < Number(least)) {
    throw wrong(`${shown(text)} is not a status, or a range of them, from 200 to 599`);
  }
  return [Number(least), Number(most)];
}

/** What is asked for in a request line: a path, and a query where there is one. */
export function requestPath(): Value<string> {
  return {
    hint: "path that begins with /",
    parse(text) {
      if (!/^\/[\x21\x22\x24-\x7e]{0,1023}$/.test(text)) {
        throw wrong(`${shown(text)} is not a path: it begins with /, and has no space, # or control character`);
      }
      return text;
    },
    format: (text) => text,
  };
}

const PROGRAM_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** The name under which an administrator lets a program be used. */
export function programName(): Value<string> {
  return {
    hint: "name from HEALTH_PROGRAMS",
    parse(text) {
      if (!PROGRAM_NAME.test(text)) throw wrong(`${shown(text)} is not a name such as check-db`);
      return text;
    },
    format: (text) => text,
  };
}

/** Programs by the names they go by: `check-db=/usr/local/bin/check-db`. */
export function programs(): Value<Readonly<Record<string, string>>> {
  return {
    hint: "list of name=/path/of/a/program",
    parse(text) {
      const entries = wordsIn(text).map(program);
      const named = Object.fromEntries(entries);
      if (Object.keys(named).length < entries.length) throw wrong("a name is given twice");
      return named;
    },
    format: (named) =>
      Object.entries(named)
        .map(([name, path]) => `${name}=${path}`)
        .join(", "),
  };
}

function program(text: string): readonly [name: string, path: string] {
  const [, name = "", path = ""] = /^([^=]*)=(\/[^\0]*)$/.exec(text) ?? [];
  if (!PROGRAM_NAME.test(name)) {
    throw wrong(`${shown(text)} is not a name and the whole path of a program, as check-db=/usr/local/bin/check-db`);
  }
  return [name, path];
}

function wordsIn(list: string): string[] {
  return list.split(/[\s,]+/).filter((word) => word !== "");
}
