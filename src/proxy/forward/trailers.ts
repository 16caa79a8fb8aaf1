// Which fields pass behind a body, from a sandbox to a client that can take them.

import { FROM_SANDBOX, matcherOf, NOT_BEHIND_A_BODY } from "../../domain/fields/dropped-fields.ts";

const isRefused = matcherOf([...FROM_SANDBOX, NOT_BEHIND_A_BODY]);
const TRAILERS = /(?:^|,)[ \t]*trailers[ \t]*(?:;|,|$)/i;
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** Whether a TE field says that its sender can take trailers. */
export function asksForTrailers(te: string | undefined): boolean {
  return te !== undefined && TRAILERS.test(te);
}

/** Of the names in a Trailer field, those that may come; in lower case. */
export function passingTrailers(announced: string): string[] {
  const names = announced.split(",").map((name) => name.trim().toLowerCase());
  return [...new Set(names)].filter((name) => NAME.test(name) && !isRefused(name));
}

/** Of the fields behind a body, those whose names were told the client. */
export function trailersNamed(fields: readonly string[], names: readonly string[]): [name: string, value: string][] {
  const passing: [name: string, value: string][] = [];
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] as string;
    if (names.includes(name)) passing.push([name, fields[index + 1] as string]);
  }
  return passing;
}
