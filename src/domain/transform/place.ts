import type { GatewayError } from "../../errors.ts";
import { nearest } from "../value/nearest.ts";
import { type Value, wrong } from "../value/value.ts";

/** A value in a JSON document, and where it stands there: the reader that says what is wrong, and where. */
export class Place {
  /** A JSON Pointer (RFC 6901); empty for the document itself. */
  readonly path: string;
  readonly value: unknown;

  constructor(path: string, value: unknown) {
    this.path = path;
    this.value = value;
  }

  wrong(reason: string): GatewayError {
    return wrong(`${this.path === "" ? "the document" : this.path}: ${reason}`);
  }

  /** Its members by name; each must be one of `known`. @throws GatewayError VAL_010 */
  members<const N extends string>(known: readonly N[]): { readonly [K in N]?: Place } {
    const members = this.entries();
    for (const [name, place] of members) {
      if (known.some((each) => each === name)) continue;
      const meant = nearest(name.toLowerCase(), known);
      throw place.wrong(`not one of: ${known.join(", ")}${meant === undefined ? "" : ` (did you mean ${meant}?)`}`);
    }
    return Object.fromEntries(members) as { readonly [K in N]?: Place };
  }

  /** The members of an object, whatever their names. @throws GatewayError VAL_010 */
  entries(): [name: string, place: Place][] {
    const { value } = this;
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.wrong("an object is expected");
    return Object.entries(value).map(([name, member]) => [name, this.#at(name, member)]);
  }

  /** The elements of an array; what is none stands for an array of itself. */
  elements(): Place[] {
    const { value } = this;
    return Array.isArray(value) ? value.map((element, index) => this.#at(String(index), element)) : [this];
  }

  /** @throws GatewayError VAL_010 */
  text(): string {
    if (typeof this.value !== "string") throw this.wrong("a text is expected");
    return this.value;
  }

  /** A text that `value` takes, or a number. @throws GatewayError VAL_010 */
  as<T>(value: Value<T>): T {
    try {
      return value.parse(typeof this.value === "number" ? String(this.value) : this.text());
    } catch (error) {
      throw this.wrong(`${(error as GatewayError).details} (${value.hint})`);
    }
  }

  #at(name: string, value: unknown): Place {
    return new Place(`${this.path}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, value);
  }
}
