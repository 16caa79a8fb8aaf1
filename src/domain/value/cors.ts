// What pages of other origins are told they may do (https://fetch.spec.whatwg.org/#http-cors-protocol).

import { METHODS } from "node:http";
import { shown, type Value, wrong } from "./value.ts";

const MOST = 64;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;

/** Origins as browsers send them, or `*` for all. */
export function origins(): Value<readonly string[]> {
  return list("* or origins as https://app.example", (text) => {
    if (text === "*") return text;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const isOrigin = url !== undefined && url.origin !== "null" && url.href === `${url.origin}/`;
    if (!isOrigin || !/^https?:$/.test(url.protocol) || /[?#*]/.test(text)) {
      throw wrong(`${shown(text)} is not an origin such as https://app.example, or *`);
    }
    return url.origin;
  });
}

export function methods(): Value<readonly string[]> {
  return list("methods as GET,POST", (text) => {
    const method = text.toUpperCase();
    if (!METHODS.includes(method) || method === "CONNECT" || method === "TRACE") {
      throw wrong(`${shown(text)} is no method that a page may use`);
    }
    return method;
  });
}

/** Names of header fields, in lower case. */
export function fieldNames(): Value<readonly string[]> {
  return list("names of header fields", (text) => {
    if (!TOKEN.test(text) || text === "*") throw wrong(`${shown(text)} is not the name of a header field`);
    return text.toLowerCase();
  });
}

function list(hint: string, one: (text: string) => string): Value<readonly string[]> {
  return {
    hint,
    parse(text) {
      const entries = text.split(/[\s,]+/).filter((entry) => entry !== "");
      if (entries.length === 0) throw wrong(`expected ${hint}`);
      if (entries.length > MOST) throw wrong(`more than ${MOST}`);
      return [...new Set(entries.map(one))];
    },
    format: (entries) => entries.join(","),
  };
}
