import { randomBytes } from "node:crypto";
import { newId } from "../domain/id.ts";

/**
 * The cookie in which a session comes. Over HTTPS browsers keep the name with `__Host-` from all but this very host (RFC
 * 6265bis section 4.1.3.2); over plain HTTP they refuse it, on localhost too.
 */
export const SESSION_COOKIE = "sandboxgw_session";
/** The query parameter in which a session comes to a sandbox's own host. */
export const PASS_PARAMETER = "sgw_session";
const SECURE = "__Host-";

const VALUE = "ses_[0-9a-z]{20}\\.[A-Za-z0-9_-]{43}(?:\\.[a-z0-9-]{1,63})?";
const COOKIES = new RegExp(`(?:^|;)[ \\t]*((?:${SECURE})?${SESSION_COOKIE}=${VALUE})[ \\t]*(?=;|$)`, "g");
const COOKIE = new RegExp(
  `^(${SECURE})?${SESSION_COOKIE}=((ses_[0-9a-z]{20})\\.[A-Za-z0-9_-]{43}(?:\\.([a-z0-9-]{1,63}))?)$`,
);

/** More of that form than these an application has put there. */
const MOST = 8;

/** A new session's id, and what its cookie says: the id and 256 random bits. */
export function newSessionText(): { readonly id: string; readonly text: string } {
  const id = newId("ses");
  return { id, text: `${id}.${randomBytes(32).toString("base64url")}` };
}

/** What a cookie says that may be a session's. */
export interface ShownSession {
  readonly id: string;
  readonly text: string;
  readonly secure: boolean;
  /** It is the cookie of this sandbox's host; null = the session's own. */
  readonly sandboxId: string | null;
}

/**
 * The cookies in a request that may be a session's, as one text; undefined when there are none. All that does not look like
 * one is somebody else's, whatever its name.
 */
export function sessionCookies(field: string): string | undefined {
  if (!field.includes(SESSION_COOKIE)) return undefined;
  const found = Array.from(field.matchAll(COOKIES), ([, pair]) => pair as string);
  return found.length === 0 ? undefined : found.slice(-MOST).join(" ");
}

/**
 * The same one by one, in the order in which they count: what no application can have set before what it can, and of that
 * the last, for browsers send those of longer paths first.
 */
export function shownSessions(cookies: string): ShownSession[] {
  const shown = cookies.split(" ").flatMap((pair) => {
    const [, prefix, text = "", id = "", sandboxId = null] = COOKIE.exec(pair) ?? [];
    return text === "" ? [] : [{ id, text, secure: prefix !== undefined, sandboxId }];
  });
  return shown.toReversed().toSorted((one, other) => Number(other.secure) - Number(one.secure));
}

/** A Set-Cookie value that keeps a session for so many seconds; 0 takes it away. */
export function sessionCookie(text: string, { secure, seconds }: { secure: boolean; seconds: number }): string {
  const name = secure ? SECURE + SESSION_COOKIE : SESSION_COOKIE;
  return `${name}=${text}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
}
