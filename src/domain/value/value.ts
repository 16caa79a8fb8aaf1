import { GatewayError } from "../../errors.ts";

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
  /** On a command line it is the name of a file that holds the text: of so many characters at most. */
  readonly file?: number;
}

/** The reason for which a text is no such value. */
export function wrong(reason: string): GatewayError {
  return new GatewayError("VAL_010", { details: reason });
}

/** A value inside a message: quoted, control characters escaped, long ones cut. */
export function shown(value: string): string {
  return JSON.stringify(value.length > 48 ? `${value.slice(0, 48)}…` : value);
}
