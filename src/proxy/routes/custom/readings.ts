/** Where a path may have more than one reading; all others are passed over at the cost of one look. */
const SUSPECT = /[%;]|\/[/.]/;
/** How often something behind us may decode what it gets. */
const DECODINGS = 3;

/**
 * The paths that others could take one for, itself left out: decoded once or more, up to a NUL, without tabs and line breaks,
 * without `;` parameters, with `\` as a slash, slashes merged, dot segments resolved; each of these alone and all together.
 * None for a plain path.
 */
export function readings(path: string): ReadonlySet<string> {
  if (!SUSPECT.test(path)) return NONE;
  const found = new Set<string>();
  let texts: ReadonlySet<string> = new Set([path]);
  for (let round = 0; round <= DECODINGS; round++) {
    // Who takes parameters away before decoding, as servlet containers do, reads another path than who does so after.
    const both = new Set([...texts, ...Array.from(texts, (text) => text.replace(/;[^/\\]*/g, ""))]);
    const decoded = new Set<string>();
    for (const text of both) {
      for (const bare of new Set([text, text.replace(/\0.*/s, ""), text.replace(/[\t\n\r]/g, "")])) {
        const slashed = bare.replaceAll("\\", "/");
        for (const each of new Set([slashed, slashed.replace(/\/{2,}/g, "/")])) found.add(resolved(each));
      }
      const next = decode(text);
      if (next !== text) decoded.add(next);
    }
    texts = decoded;
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
  if (!path.includes("/.")) return path;
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
