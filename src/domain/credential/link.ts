/** What a link or ticket is for; nothing beside it. */
export interface Scope {
  readonly sandboxId: string;
  /** null = the instances' own. */
  readonly port: number | null;
  /** null = all. */
  readonly methods: readonly string[] | null;
  /** The sandbox's paths at and below this one, whole segments; `/` = all. */
  readonly path: string;
}

/** A link as it is kept: what is needed to list it and to take it back. The link itself is shown once. */
export interface LinkRecord extends Scope {
  /** `lnk_…` */
  readonly id: string;
  /** The key that proves it, `lky_…`; when that is retired, so are all its links. */
  readonly keyId: string;
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly revokedAt: number | null;
}

/** The id of a key whose links are good no more. */
export interface RetiredLinkKey {
  readonly keyId: string;
}

export interface LinkKeyChange extends RetiredLinkKey {
  readonly kind: "link-key.retired";
}

/** Whether a path (without its query) is at or below `prefix`, by whole segments. */
export function isPathWithin(prefix: string, path: string): boolean {
  if (prefix === "/" || path === prefix) return true;
  return path.startsWith(prefix.endsWith("/") ? prefix : `${prefix}/`);
}
