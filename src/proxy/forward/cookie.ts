/** Cookies of the gateway itself, also behind a prefix that browsers know, and where a name is smuggled in as a value. */
const OURS = /^[=\s]*(?:__[a-z-]+-)?sandboxgw/i;

const MAYBE_OURS = /sandboxgw/i;

/** A client's `Cookie` value without the gateway's own, which no sandbox may have; empty when nothing is left. */
export function withoutOurs(value: string): string {
  if (!MAYBE_OURS.test(value)) return value;
  const own = value.split(";").filter((pair) => !OURS.test(pair));
  return own.join(";").trim();
}

/**
 * A sandbox's `Set-Cookie` value for the part of the origin that is its own: its neighbours share the rest, and would be
 * sent it. `mount`: the beginning of the sandbox's paths as the client sees them; empty when it has the whole origin. `alike`: the
 * sandbox calls them so too; what it says of others it does not get.
 * Undefined when the name is the gateway's. (A `__Host-` cookie asks for the whole origin, so browsers refuse it then.)
 */
export function scopedCookie(value: string, mount: string, alike = false): string | undefined {
  if (OURS.test(value)) return undefined;
  const [pair = "", ...attributes] = value.split(";");
  let path = "";
  let scoped = pair;
  for (const attribute of attributes) {
    const equals = attribute.indexOf("=");
    const name = (equals < 0 ? attribute : attribute.slice(0, equals)).trim().toLowerCase();
    if (name === "domain") continue;
    if (name === "path" && mount !== "") path = equals < 0 ? "" : attribute.slice(equals + 1).trim();
    else scoped += `;${attribute}`;
  }
  return mount === "" ? scoped : `${scoped}; Path=${alike ? within(mount, path) : under(mount, path)}`;
}

/** What a sandbox calls `path`, as the client sees it. One that knows where it is mounted has said so already. */
function under(mount: string, path: string): string {
  if (isUnder(mount, path)) return path;
  return path.startsWith("/") ? mount + path : `${mount}/`;
}

function within(mount: string, path: string): string {
  return isUnder(mount, path) ? path : mount;
}

function isUnder(mount: string, path: string): boolean {
  return path === mount || path.startsWith(`${mount}/`);
}
