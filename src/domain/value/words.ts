import { nearest } from "./nearest.ts";
import { weaknessOf } from "./weak-secret.ts";
import { shown, type Value, wrong } from "./value.ts";

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

/** A secret of at least `leastBytes` bytes in UTF-8, and not one that can be guessed; empty = none. */
export function secret(leastBytes: number): Value<string> {
  return {
    hint: `at least ${leastBytes} bytes`,
    parse(value) {
      const bytes = Buffer.byteLength(value);
      if (value !== "" && bytes < leastBytes) throw wrong(`has ${bytes} bytes, needs at least ${leastBytes}`);
      const weakness = value === "" ? undefined : weaknessOf(value);
      if (weakness !== undefined) throw wrong(weakness);
      return value;
    },
    format: (value) => value,
    secret: true,
  };
}

// Names of fields and cookies are tokens (RFC 9110 section 5.6.2).
const HASH_KEY = /^(?:user|ip|(?:header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]+)$/;

const STICKY = /^(?:cookie|session|user|header:[!#$%&'*+.^`|~0-9A-Za-z-]+)$/;

/** What of a request says to which session it belongs. No underscore: such fields may never arrive. */
export function stickyText(): Value<string> {
  return {
    hint: "cookie, session, user or header:NAME",
    parse(text) {
      if (!STICKY.test(text)) throw wrong(`${shown(text)} is none of: cookie, session, user, header:NAME`);
      return text;
    },
    format: (text) => text,
  };
}

/** What of a request a hash is made of. */
export function hashKeyText(): Value<string> {
  return {
    hint: "user, ip, header:NAME or cookie:NAME",
    parse(text) {
      if (!HASH_KEY.test(text)) throw wrong(`${shown(text)} is none of: user, ip, header:NAME, cookie:NAME`);
      return text;
    },
    format: (text) => text,
  };
}
