import type { z } from "zod";

/** What the gateway knows of one operation beyond its name. Everything else in a payload is the sandbox's own business. */
export interface Operation {
  readonly name: string;
  /** The members of the payload that the gateway looks at; `code` and `language` are what the record says of the run. */
  readonly payload: z.ZodType<RunFacts>;
}

/** Members of a payload, parsed; undefined where there is none. */
export type LookedAt = Readonly<Partial<Record<(typeof LOOKED_AT)[number], unknown>>>;

/** All members that any operation looks at. */
export const LOOKED_AT = ["code", "command", "language"] as const;

/** What an operation runs. */
export interface RunFacts {
  /** The code or command; empty when there is none. */
  readonly code: string;
  /** As the client named it; empty when it did not. */
  readonly language: string;
}
