/** Where a path may have more than one reading; all others are passed over at the cost of one look. */
const SUSPECT = /[%;]|\/[/.]/;
/** How often something behind us may decode what it gets. */
const DECODINGS = 3;

/**
 * The paths that others could take one for, itself left out: decoded once or more, up to a NUL, without `;` parameters,
 * with `\` as a slash, slashes merged, dot segments resolved; each of these alone and all together. None for a plain path.
 */
export function readings(path: string): ReadonlySet<string> {
  if (!SUSPECT.test(path)) return NONE;
  const found = new Set<string>();
  let text = path;
  for (let round = 0; round <= DECODINGS; round++) {
    for (const bare of [text, text.replace(/\0.*/s, ""), text.replace(/;[^/\\]*/g, "")]) {
      const slashed = bare.replaceAll("\\", "/");
      found.add(resolved(slashed)).add(resolved(slashed.replace(/\/{2,}/g, "/")));
    }
    const decoded = decode(text);
    if (decoded === text) break;
    text = decoded;
  }
  found.delete(path);
  return found;
}

const NONE: ReadonlySet<string> = new Set();

/** Byte by byte: what is no ASCII is in no route. */
function decode(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** RFC 3986 section 5.2.4. */
function resolved(path: string): string {
  const segments: string[] = [];
  const parts = path.slice(1).split("/");
  for (const [index, part] of parts.entries()) {
    const isDots = part === "." || part === "..";
    if (part === "..") segments.pop();
    if (!isDots) segments.push(part);
    else if (index === parts.length - 1) segments.push("");
  }
  return `/${segments.join("/")}`;
}
