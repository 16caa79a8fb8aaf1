// What a person sees who opens a page and may not, or cannot.

import { hash } from "node:crypto";
import { ERRORS, type GatewayError } from "../../../errors.ts";

const STYLE =
  "body{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:12vh auto;padding:0 1em;color:#222;background:#fff}" +
  "h1{font-size:1.4em}code,small{color:#666}@media(prefers-color-scheme:dark){body{color:#ddd;background:#111}}";

/** Nothing is loaded or run, and nobody else shows it as part of a page. */
const POLICY =
  `default-src 'none'; style-src 'sha256-${hash("sha256", STYLE, "base64")}'; ` +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

export const PAGE_FIELDS: readonly string[] = ["content-security-policy", POLICY, "referrer-policy", "no-referrer"];

/** What a person without a token in hand can do, where the code's own remedy speaks to programs. */
const SIGN_IN =
  "Open the sandbox by a link that somebody gives you (sandboxgw link create), or open a session with a token of yours: " +
  "POST /api/v1/session";

/** The same as `errorBody` for a person, as HTML. */
export function errorPage(error: GatewayError, requestId: string): string {
  const { status, code, details, remediation } = error;
  const { message } = ERRORS[code];
  const remedy = status === 401 && remediation === ERRORS[code].remediation ? SIGN_IN : remediation;
  return (
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
    `<title>${status} ${escaped(message)}</title><style>${STYLE}</style>` +
    `<h1>${escaped(message)}</h1>${details === "" ? "" : `<p>${escaped(details)}</p>`}` +
    `<p>${escaped(remedy)}</p><small>${status} · <code>${code}</code> · ${escaped(requestId)}</small></html>\n`
  );
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
