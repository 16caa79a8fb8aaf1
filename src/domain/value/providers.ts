import { shown, type Value, wrong } from "./value.ts";

/** An identity provider: its tokens carry `issuer`, and what it says of subjects is told apart by `name`. */
export interface ProviderName {
  readonly name: string;
  readonly issuer: string;
}

const MOST = 20;
const NAME = /^[a-z0-9][a-z0-9.-]{0,62}$/;

/** `corp=https://login.example/realms/corp, https://accounts.google.com`: without a name it goes by its host. */
export function issuers(): Value<readonly ProviderName[]> {
  return {
    hint: "list of https addresses",
    parse(text) {
      const providers = entriesIn(text).map(provider);
      for (const part of ["name", "issuer"] as const) {
        if (new Set(providers.map((each) => each[part])).size < providers.length) {
          throw wrong(`two issuers have the same ${part}${part === "name" ? ": write name=address" : ""}`);
        }
      }
      return providers;
    },
    format: (providers) => providers.map(({ name, issuer }) => `${name}=${issuer}`).join(", "),
  };
}

/** Addresses of documents of identity providers. */
export function documentUrls(): Value<readonly string[]> {
  return {
    hint: "list of https addresses",
    parse: (text) => entriesIn(text).map((entry) => documentUrl(entry)),
    format: (urls) => urls.join(", "),
  };
}

/**
 * The address of what an identity provider says, which has to be proven by TLS: https, or this machine over http.
 * @throws GatewayError VAL_010
 */
export function documentUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isNear = url !== undefined && /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname);
  if (url?.protocol !== "https:" && !(isNear && url.protocol === "http:")) {
    throw wrong(`${shown(text)} is not an https address`);
  }
  if (url.username !== "" || url.password !== "" || url.hash !== "") {
    throw wrong(`${shown(url.origin)}: an address has no user, password or #`);
  }
  return text;
}

/** What a claim says, and the role that it stands for. */
export type RoleMap = readonly (readonly [value: string, role: string])[];

/** `sandbox-admins=admin, staff=executor`: the first that a token has counts. */
export function roleMap(): Value<RoleMap> {
  return {
    hint: "list of value=role",
    parse: (text) =>
      text
        .split(",")
        .map((entry) => entry.trim())
        .filter((entry) => entry !== "")
        .map((entry) => {
          const at = entry.lastIndexOf("=");
          const role = entry.slice(at + 1).trim();
          if (at < 1 || !NAME.test(role)) throw wrong(`${shown(entry)} is not value=role`);
          return [entry.slice(0, at).trim(), role] as const;
        }),
    format: (entries) => entries.map(([value, role]) => `${value}=${role}`).join(", "),
  };
}

/** Some of a few words, each once, at least one. */
export function choices<const T extends string>(...words: readonly T[]): Value<readonly T[]> {
  return {
    hint: `list of ${words.join(", ")}`,
    parse(text) {
      const chosen = entriesIn(text).map((entry) => {
        const found = words.find((word) => word === entry);
        if (found === undefined) throw wrong(`${shown(entry)} is not one of: ${words.join(", ")}`);
        return found;
      });
      if (chosen.length === 0) throw wrong(`is none of: ${words.join(", ")}`);
      return [...new Set(chosen)];
    },
    format: (chosen) => chosen.join(","),
  };
}

/** A list of short texts without spaces and commas. */
export function labels(): Value<readonly string[]> {
  return {
    hint: "list of names",
    parse(text) {
      const entries = entriesIn(text);
      for (const entry of entries) if (entry.length > 256) throw wrong(`${shown(entry)} is too long`);
      return entries;
    },
    format: (entries) => entries.join(", "),
  };
}

function provider(text: string): ProviderName {
  const [, named, issuer = text] = /^([^=/:]+)=(.*)$/.exec(text) ?? [];
  documentUrl(issuer);
  const name = named ?? new URL(issuer).host.replaceAll(":", "-").replaceAll(/[[\]]/g, "");
  if (!NAME.test(name)) throw wrong(`${shown(name)} is no name for an issuer: small letters, digits, dots and hyphens`);
  return { name, issuer };
}

function entriesIn(text: string): string[] {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== "");
  if (entries.length > MOST) throw wrong(`more than ${MOST}`);
  return entries;
}
