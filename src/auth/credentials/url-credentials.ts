import { LINK_PARAMETER } from "../link-text.ts";
import { PASS_PARAMETER } from "../session-text.ts";
import { TICKET_PARAMETER } from "./ticket.ts";
import { GatewayError } from "../../errors.ts";

/** A target without what in its query says who calls, and that. */
export interface UrlCredentials {
  readonly target: string;
  readonly link: string | undefined;
  readonly ticket: string | undefined;
  /** With which a session comes to a sandbox's own host. */
  readonly pass: string | undefined;
}

/** With what all such parameters begin. */
const MARK = "sgw_";

/**
 * Takes a link or ticket out of a target's query; all else stays byte for byte. Only names as they are written here count:
 * nobody else is asked how they might be encoded.
 * @throws GatewayError AUTH_005 when one comes twice.
 */
export function urlCredentials(target: string): UrlCredentials {
  const query = target.indexOf("?");
  if (query < 0 || target.indexOf(MARK, query) < 0)
    return { target, link: undefined, ticket: undefined, pass: undefined };
  let link: string | undefined;
  let ticket: string | undefined;
  let pass: string | undefined;
  const others = target
    .slice(query + 1)
    .split("&")
    .filter((pair) => {
      if (pair.startsWith(`${LINK_PARAMETER}=`)) link = only(link, pair.slice(LINK_PARAMETER.length + 1));
      else if (pair.startsWith(`${TICKET_PARAMETER}=`)) ticket = only(ticket, pair.slice(TICKET_PARAMETER.length + 1));
      else if (pair.startsWith(`${PASS_PARAMETER}=`)) pass = only(pass, pair.slice(PASS_PARAMETER.length + 1));
      else return true;
      return false;
    });
  if (link === undefined && ticket === undefined && pass === undefined) return { target, link, ticket, pass };
  const rest = others.join("&");
  return { target: target.slice(0, query) + (rest === "" ? "" : `?${rest}`), link, ticket, pass };
}

function only(before: string | undefined, value: string): string {
  if (before === undefined) return value;
  throw new GatewayError("AUTH_005", { details: "A link or ticket stands in the URL twice" });
}
