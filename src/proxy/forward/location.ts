import { withPort } from "../../domain/port.ts";

/** How the two sides of an exchange call the same server. */
export interface Places {
  /** Where the client sees the sandbox: the beginning of its paths; empty when that is the whole origin. */
  readonly mount: string;
  /** Both call its paths alike, the mount included. */
  readonly alike: boolean;
  /** Of it count the client's Host, empty when it gave none, and the path it asked for. */
  readonly head: { readonly host: string; readonly target: string; readonly cookie?: string | undefined } | undefined;
  /** Who answered, and at which port of its host; null = its own. */
  readonly instance: { readonly url: string } | undefined;
  readonly port: number | null;
  /** The Host it was told; null = its own address. */
  readonly toldHost: string | null;
}

/** Scheme and authority, or an authority alone (RFC 3986 section 4.2), then the rest. */
const ABSOLUTE = /^(?:(https?):)?\/\/([^/?#\\]*)(.*)$/is;

/**
 * A sandbox's `Location` or `Content-Location`, as its client must read it. What names a path, or the instance by its own
 * address or the name it was told, becomes a path under the mount; what names the gateway's host stays absolute, with the path under the mount.
 * Relative references and other servers are left alone. One that knows where it is mounted has said so already.
 */
export function mountedLocation(value: string, places: Places): string {
  if (places.alike) return told(value, places, "");
  const location = told(value, places);
  return places.mount === "" || staysUnder(location, places) ? location : resolved(value, places);
}

/** Whether a client takes it for another server's, or a path under the mount. */
function staysUnder(location: string, { mount, head }: Places): boolean {
  const read = URL.parse(location, originFor(location, head) + (head?.target ?? `${mount}/`));
  if (read === null || read.host !== URL.parse(originFor(location, head))?.host) return true;
  return under(mount, read.pathname) === read.pathname;
}

/**
 * Clients resolve dot segments, and have their own way with backslashes, tabs and `http:/a`: where that would lead them out
 * of the mount, they are told the path to which it leads in the application alone.
 */
function resolved(value: string, { mount, head }: Places): string {
  const own = head?.target.slice(mount.length) ?? "/";
  const { pathname = "/", search = "", hash = "" } = URL.parse(value, originFor(value, head) + own) ?? {};
  return under(mount, rooted(pathname) + search + hash);
}

/** `http:/a` is a path only for those who came by the same scheme, which a front may have changed: so it always is here. */
function originFor(location: string, head: Places["head"]): string {
  return `${/^\s*https:/i.test(location) ? "https" : "http"}://${head?.host || "gateway.invalid"}`;
}

function told(value: string, places: Places, mount = places.mount): string {
  const { head, instance, port, toldHost } = places;
  const absolute = ABSOLUTE.exec(value);
  if (absolute === null) return value.startsWith("/") ? under(mount, value) : value;
  const [, scheme, authority = "", rest = ""] = absolute;
  if (isSame(scheme, authority, addressOf(instance, port))) return under(mount, rooted(rest));
  const named = authority.toLowerCase();
  if (named === "") return value;
  if (named === head?.host.toLowerCase()) {
    return mount === "" ? value : value.slice(0, value.length - rest.length) + under(mount, rooted(rest));
  }
  return named === toldHost?.toLowerCase() ? under(mount, rooted(rest)) : value;
}

function addressOf(instance: Places["instance"], port: number | null): string {
  if (instance === undefined) return "";
  return port === null ? instance.url : withPort(instance.url, port);
}

function isSame(scheme: string | undefined, authority: string, instanceUrl: string): boolean {
  const own = URL.canParse(instanceUrl) ? new URL(instanceUrl) : undefined;
  if (own === undefined || own.host === "" || authority.includes("@")) return false;
  const named = `${scheme ?? own.protocol.slice(0, -1)}://${authority}`;
  return URL.canParse(named) && new URL(named).origin === own.origin;
}

function rooted(rest: string): string {
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** `path` begins with a slash. A second one would make the next segment another server's name, so a dot stands between. */
function under(mount: string, path: string): string {
  if (mount === "") return /^\/[/\\]/.test(path) ? `/.${path}` : path;
  const after = path.startsWith(mount) ? path.charAt(mount.length) : undefined;
  return after !== undefined && /^[/?#]?$/.test(after) ? path : mount + path;
}
