import type { PickRequest } from "../strategy.ts";

/** What of a request decides where it goes. */
export type HashKey = (request: PickRequest) => string;

/** `user`, `ip`, `header:NAME` or `cookie:NAME`. A request without it goes by its address. */
export function hashKey(text: string): HashKey {
  const [kind = "", name = ""] = text.split(":", 2);
  switch (kind) {
    case "header": {
      const field = name.toLowerCase();
      return (request) => request.field(field) ?? request.address;
    }
    case "cookie":
      return (request) => cookieIn(request.field("cookie") ?? "", name) ?? request.address;
    case "user":
      return (request) => request.principal?.subject ?? request.address;
    default:
      return (request) => request.address;
  }
}

/** The value of the first cookie of this name, as it was sent. */
export function cookieIn(field: string, name: string): string | undefined {
  for (const pair of field.split(";")) {
    const at = pair.indexOf("=");
    if (at >= 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}
