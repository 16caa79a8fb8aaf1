import { isUtf8 } from "node:buffer";

/** What one document may be made of. Its size in bytes is for whoever received it to limit. */
export interface JsonBounds {
  /** Members of all objects together; array elements may be ten times as many, because they cost a tenth. */
  readonly members: number;
}

/** Deeper than any document made on purpose; reading and writing one recurses. */
export const MAX_JSON_DEPTH = 64;
/** Longer than any number that a program writes (a double exactly: 1,077); readers with big integers take quadratic time. */
export const MAX_NUMBER_LENGTH = 1_100;
const ELEMENTS_PER_MEMBER = 10;

export type JsonKind = "object" | "array" | "array of objects" | "string" | "number" | "literal";

/** A value's place in the text it was found in. */
export interface JsonNode {
  /** Of the member whose value this is, decoded; empty for the document itself. */
  readonly name: string;
  /** What its first byte says. An empty array is an array of objects too. */
  readonly kind: JsonKind;
  /** The value is the bytes from `start` up to and without `end`. */
  readonly start: number;
  readonly end: number;
  /** In order; those of the document and of its members, deeper ones are not kept. */
  readonly members: readonly JsonNode[];
}

/** Why a text is not taken. `size`: it may be JSON, but has more parts than it may have. */
export class JsonRefusal extends Error {
  override readonly name = "JsonRefusal";
  readonly reason: "syntax" | "utf8" | "depth" | "duplicate" | "size";

  constructor(reason: JsonRefusal["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * Reads a JSON text (RFC 8259) once, without making anything of it: whoever parses a part afterwards knows what it costs.
 * Stricter than the grammar in that no object may name a member twice (`"a"` and `"\u0061"` are one name), because two
 * readers could take different ones. A byte order mark before it is skipped, as the RFC allows.
 * @throws JsonRefusal
 */
export function scanJson(text: Buffer, bounds: JsonBounds): JsonNode {
  if (!isUtf8(text)) throw new JsonRefusal("utf8", "Not UTF-8");
  return new Scanner(text, bounds).document();
}

/** The member of this name, when there is one. */
export function memberOf(node: JsonNode, name: string): JsonNode | undefined {
  return node.members.find((member) => member.name === name);
}

/** Whether a value is one piece: no object and no array. */
export function isSimple({ kind }: JsonNode): boolean {
  return kind === "string" || kind === "number" || kind === "literal";
}

/** The value of a node, parsed. Only for what is known to be small or a single string. */
export function valueOf(text: Buffer, node: JsonNode): unknown {
  return JSON.parse(text.toString("utf8", node.start, node.end));
}

/** Levels of members that are kept: the document's own, and theirs. */
const KEPT_LEVELS = 2;
const NONE: readonly JsonNode[] = [];
const WINDOW = 16_384;

class Scanner {
  readonly #text: Buffer;
  readonly #end: number;
  readonly #maxMembers: number;
  readonly #maxElements: number;
  #at = 0;
  /** Some bytes as characters, and where they begin: see `#ascii`. */
  #window = "";
  #windowStart = 0;
  #members = 0;
  #elements = 0;
  /** Of the object read last, when they are kept. */
  #kept: readonly JsonNode[] = NONE;

  constructor(text: Buffer, bounds: JsonBounds) {
    this.#text = text;
    this.#end = text.length;
    this.#maxMembers = bounds.members;
    this.#maxElements = bounds.members * ELEMENTS_PER_MEMBER;
  }

  document(): JsonNode {
    if (this.#text[0] === 0xef) this.#at = 3; // UTF-8 that begins so outside a string is a byte order mark or an error
    if (this.#at === 3 && (this.#text[1] !== 0xbb || this.#text[2] !== 0xbf)) throw this.#wrong(0);
    this.#skipSpace();
    const start = this.#at;
    const kind = this.#value(1);
    const end = this.#at;
    this.#skipSpace();
    if (this.#at < this.#end) throw this.#wrong();
    return { name: "", kind, start, end, members: kind === "object" ? this.#kept : NONE };
  }

  /** Past one value; `level` is 1 for the document. */
  #value(level: number): JsonKind {
    switch (this.#text[this.#at] ?? 0) {
      case OPENING_BRACE:
        this.#kept = this.#object(level);
        return "object";
      case OPENING_BRACKET:
        return this.#array(level) ? "array of objects" : "array";
      case QUOTE:
        this.#string();
        return "string";
      case 0x74:
        return this.#literal("true");
      case 0x66:
        return this.#literal("false");
      case 0x6e:
        return this.#literal("null");
      default:
        this.#number();
        return "number";
    }
  }

  #object(level: number): readonly JsonNode[] {
    this.#enter(level);
    if (this.#text[this.#at] === CLOSING_BRACE) {
      this.#at += 1;
      return NONE;
    }
    const kept: JsonNode[] | undefined = level > KEPT_LEVELS ? undefined : [];
    const names = new Set<string>();
    for (;;) {
      const key = this.#key();
      if (names.size === names.add(key).size) {
        throw new JsonRefusal("duplicate", `Member ${JSON.stringify(key.slice(1, 65))} twice in one object`);
      }
      if (++this.#members > this.#maxMembers) {
        throw new JsonRefusal("size", `More than ${this.#maxMembers} members of objects (MAX_JSON_MEMBERS)`);
      }
      const start = this.#at;
      const kind = this.#value(level + 1);
      const members = kind === "object" ? this.#kept : NONE;
      kept?.push({ name: key.slice(1), kind, start, end: this.#at, members });
      if (this.#next(CLOSING_BRACE)) return kept ?? NONE;
    }
  }

  /** Whether all its elements are objects. */
  #array(level: number): boolean {
    this.#enter(level);
    if (this.#text[this.#at] === CLOSING_BRACKET) {
      this.#at += 1;
      return true;
    }
    let objects = true;
    for (;;) {
      if (++this.#elements > this.#maxElements) {
        throw new JsonRefusal("size", `More than ${this.#maxElements} array elements (10 × MAX_JSON_MEMBERS)`);
      }
      if (this.#text[this.#at] !== OPENING_BRACE) objects = false;
      this.#value(level + 1);
      if (this.#next(CLOSING_BRACKET)) return objects;
    }
  }

  #enter(level: number): void {
    if (level > MAX_JSON_DEPTH) throw new JsonRefusal("depth", "Nested too deeply");
    this.#at += 1;
    this.#skipSpace();
  }

  /** After a member or an element: whether it was the last. */
  #next(closing: number): boolean {
    this.#skipSpace();
    const byte = this.#text[this.#at];
    if (byte !== closing && byte !== COMMA) throw this.#wrong();
    this.#at += 1;
    if (byte === closing) return true;
    this.#skipSpace();
    return false;
  }

  /**
   * Past a member's name and the colon after it; the name with a quote in front. So it never looks like an array index,
   * whose hash not every V8 seeds: nobody can choose names that all fall into one place of a Set.
   */
  #key(): string {
    const start = this.#at;
    if (this.#text[start] !== QUOTE) throw this.#wrong();
    const plain = this.#string();
    const end = this.#at;
    this.#skipSpace();
    if (this.#text[this.#at] !== COLON) throw this.#wrong();
    this.#at += 1;
    this.#skipSpace();
    return plain ? this.#ascii(start, end - 1) : `"${JSON.parse(this.#text.toString("utf8", start, end))}`;
  }

  /** A piece of the text that is ASCII. Sliced off many pieces at once it costs a third of one made from its bytes. */
  #ascii(start: number, end: number): string {
    if (end > this.#windowStart + this.#window.length) {
      this.#windowStart = start;
      this.#window = this.#text.toString("latin1", start, Math.max(end, start + WINDOW));
    }
    return this.#window.slice(start - this.#windowStart, end - this.#windowStart);
  }

  /** Past a string that begins here; whether it is ASCII without an escape. */
  #string(): boolean {
    const text = this.#text;
    let plain = true;
    for (let at = this.#at + 1; at < this.#end; at++) {
      const byte = text[at] as number;
      if (byte === QUOTE) {
        this.#at = at + 1;
        return plain;
      }
      if (byte < 0x20) throw this.#wrong(at);
      if (byte !== BACKSLASH && byte < 0x80) continue;
      plain = false;
      if (byte !== BACKSLASH) continue;
      at += 1;
      if (text[at] === 0x75) {
        for (let digit = 0; digit < 4; digit++) if (!isHex(text[++at])) throw this.#wrong(at);
      } else if (ESCAPES[text[at] ?? 0] === 0) throw this.#wrong(at);
    }
    throw this.#wrong(this.#end);
  }

  #literal(word: string): "literal" {
    for (let index = 0; index < word.length; index++) {
      if (this.#text[this.#at] !== word.charCodeAt(index)) throw this.#wrong();
      this.#at += 1;
    }
    return "literal";
  }

  #number(): void {
    const start = this.#at;
    if (this.#text[this.#at] === MINUS) this.#at += 1;
    if (this.#text[this.#at] === ZERO) this.#at += 1;
    else this.#digits();
    if (this.#text[this.#at] === POINT) {
      this.#at += 1;
      this.#digits();
    }
    if (((this.#text[this.#at] ?? 0) | LOWER_CASE) === 0x65) {
      this.#at += 1;
      const sign = this.#text[this.#at];
      if (sign === MINUS || sign === PLUS) this.#at += 1;
      this.#digits();
    }
    if (this.#at - start > MAX_NUMBER_LENGTH) {
      throw new JsonRefusal("size", `A number of more than ${MAX_NUMBER_LENGTH} characters`);
    }
  }

  /** One or more. */
  #digits(): void {
    const start = this.#at;
    while (isDigit(this.#text[this.#at])) this.#at += 1;
    if (this.#at === start) throw this.#wrong();
  }

  #skipSpace(): void {
    const text = this.#text;
    let at = this.#at;
    for (let byte = text[at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; byte = text[at])
      at += 1;
    this.#at = at;
  }

  #wrong(at: number = this.#at): JsonRefusal {
    return new JsonRefusal("syntax", at < this.#end ? `Syntax error at byte ${at}` : "Syntax error: it ends too early");
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= 0x39;
}

function isHex(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  const lower = byte | LOWER_CASE;
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x66);
}

/** Bytes that may follow a backslash, besides `u`, are not 0. */
const ESCAPES = new Uint8Array(256);
for (const character of '"\\/bfnrt') ESCAPES[character.charCodeAt(0)] = 1;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
const COLON = 0x3a;
const COMMA = 0x2c;
const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
/** Makes a letter of ASCII lower case. */
const LOWER_CASE = 0x20;
