// The gateway's own answer to pages of other origins (https://fetch.spec.whatwg.org/#http-cors-protocol).

import type { Settings } from "../../../domain/settings/settings.ts";

/** What a browser asks before a page's call. */
export interface Preflight {
  readonly origin: string;
  readonly method: string;
  /** Names of fields as they came; empty = none. */
  readonly headers: string;
}

const METHODS: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/** Without one of these nobody may call. */
const TOKEN_FIELDS: readonly string[] = ["authorization", "x-sandbox-token"];
const OURS = /^access-control-/;

/**
 * The fields of an answer by a policy: name, value, name, value… Credentials are for origins that are named, never for all.
 * `origin`: the request's; undefined when it has none.
 */
export function policyFields(settings: Settings, origin: string | undefined): string[] {
  const allowed = allowedOrigin(settings, origin);
  const fields = allowed === "*" ? [] : ["vary", "Origin"];
  if (allowed === undefined) return fields;
  fields.push(...originFields(settings, allowed));
  if (settings.corsExpose !== undefined) fields.push("access-control-expose-headers", settings.corsExpose.join(", "));
  return fields;
}

/** The same of a preflight's answer; null when the origin has no leave. */
export function preflightFields(settings: Settings, { origin, headers }: Preflight): string[] | null {
  const allowed = allowedOrigin(settings, origin);
  if (allowed === undefined) return null;
  const { corsMethods = METHODS, corsHeaders, corsMaxAge } = settings;
  const fields = ["vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"];
  fields.push(...originFields(settings, allowed), "access-control-allow-methods", corsMethods.join(", "));
  const names = corsHeaders === undefined ? headers : [...corsHeaders, ...TOKEN_FIELDS].join(", ");
  if (names !== "") fields.push("access-control-allow-headers", names);
  if (corsMaxAge !== undefined) fields.push("access-control-max-age", String(Math.floor(corsMaxAge / 1000)));
  return fields;
}

/** Puts the gateway's word in place of whatever the instance says of it. */
export function withPolicy(fields: readonly string[], own: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] as string;
    if (!OURS.test(name)) kept.push(name, fields[index + 1] as string);
  }
  kept.push(...own);
  return kept;
}

/** As the answer names it; undefined when it has no leave. */
function allowedOrigin({ corsOrigins = [] }: Settings, origin: string | undefined): string | undefined {
  if (corsOrigins.includes("*")) return "*";
  return origin !== undefined && corsOrigins.includes(origin) ? origin : undefined;
}

function originFields({ corsCredentials }: Settings, allowed: string): string[] {
  const fields = ["access-control-allow-origin", allowed];
  if (corsCredentials === true && allowed !== "*") fields.push("access-control-allow-credentials", "true");
  return fields;
}
