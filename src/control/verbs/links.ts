import { linkText } from "../../auth/link-text.ts";
import type { KeyRing } from "../../auth/keys/key-ring.ts";
import type { LinkRecord } from "../../domain/credential/link.ts";
import { newId } from "../../domain/id.ts";
import { portOf } from "../../domain/port.ts";
import { parseMethods } from "../../domain/route/route.ts";
import { GatewayError } from "../../errors.ts";
import type { LinkReads, StateStore } from "../../store/store.ts";
import { type Actor, type Control, check, quoted } from "../control.ts";
import { knownSandbox } from "./sandboxes.ts";
import { isSubject } from "./tokens.ts";

export interface NewLink {
  readonly sandboxId: string;
  /** null = the instances' own. */
  readonly port: number | null;
  /** `GET,POST`; null = all. */
  readonly methods: string | null;
  readonly path: string;
  /** For whom it is: what it does is recorded under this name. */
  readonly subject: string;
  readonly expiresInMs: number;
}

export interface CreatedLink {
  /** What goes into the URL: in this result and nowhere else. */
  readonly text: string;
  readonly link: LinkRecord;
  readonly revision: number;
}

/** A path as links have it: plain, so that nobody reads it in two ways. */
const PATH = /^\/[A-Za-z0-9._~!$&'()*+,=:@/-]{0,511}$/;
const DOTS_OR_DOUBLED = /\/(?:\.{0,2})(?:\/|$)/;
const LONGEST_MS = 3650 * 86_400_000;

export class LinkVerbs {
  readonly #control: Control;
  readonly #store: Pick<StateStore, "links" | "sandboxes">;
  readonly #keys: () => Promise<KeyRing>;
  readonly #now: () => number;

  constructor(options: {
    control: Control;
    store: Pick<StateStore, "links" | "sandboxes">;
    keys: () => Promise<KeyRing>;
    now: () => number;
  }) {
    this.#control = options.control;
    this.#store = options.store;
    this.#keys = options.keys;
    this.#now = options.now;
  }

  /** Newest first. `all`: those that have ended or were revoked too. */
  async list(_actor: Actor, { all }: { all: boolean }): Promise<LinkRecord[]> {
    const links = await this.#store.links.list();
    const now = this.#now();
    return all ? links : links.filter(({ expiresAt, revokedAt }) => expiresAt > now && revokedAt === null);
  }

  /** @throws GatewayError VAL_010, ROUTE_001, ROUTE_009 when the sandbox does not have the port. */
  async create(actor: Actor, wanted: NewLink): Promise<CreatedLink> {
    const { sandboxId, path, subject, expiresInMs } = wanted;
    const methods = wanted.methods === null ? null : parseMethods(wanted.methods);
    check(isSubject(subject), `subject ${quoted(subject)}: expected 1 to 128 printable characters`);
    check(
      path === "/" || (PATH.test(path) && !DOTS_OR_DOUBLED.test(path.replace(/\/$/, ""))),
      `path ${quoted(path)}: expected plain segments as in /files or /files/2026, at most 512 characters`,
    );
    check(expiresInMs >= 1000 && expiresInMs <= LONGEST_MS, "lifetime: expected 1 s to 3650 days");
    const { tokenHashKey } = await this.#keys();
    return await this.#control.write(actor, async (step) => {
      const sandbox = await knownSandbox(step.sandboxes, sandboxId);
      const port = wanted.port === null ? null : portOf(sandbox, wanted.port);
      if (port === undefined) throw new GatewayError("ROUTE_009");
      const keyId = (await step.links.currentKey()) ?? newId("lky");
      const createdAt = step.now;
      const expiresAt = Math.ceil((createdAt + expiresInMs) / 1000) * 1000;
      const own = { id: newId("lnk"), keyId, subject, sandboxId, port, methods, path, createdAt, expiresAt };
      const link = { ...own, revokedAt: null };
      await step.links.create(link);
      step.record("link.create", link.id, {
        subject,
        sandbox: sandboxId,
        port,
        methods,
        path,
        key: keyId,
        expires_at_ms: expiresAt,
      });
      return { text: linkText(tokenHashKey, link), link, revision: await step.revision() };
    });
  }

  /** Revoking twice is no error. @throws GatewayError ROUTE_014 */
  revoke(actor: Actor, id: string): Promise<{ link: LinkRecord; revision: number }> {
    return this.#control.write(actor, async (step) => {
      const link = await knownLink(step.links, id);
      if (!(await step.links.revoke(id, step.now))) return { link, revision: await step.revision() };
      const revision = await step.announce({ kind: "token.revoked", tokenId: id, expiresAt: link.expiresAt });
      step.record("link.revoke", id, { subject: link.subject, sandbox: link.sandboxId });
      return { link: { ...link, revokedAt: step.now }, revision };
    });
  }

  /** Retires the key that proves all links that there are, known here or not; new ones get another. */
  revokeAll(actor: Actor): Promise<{ links: number; revision: number }> {
    return this.#control.write(actor, async (step) => {
      const keyId = await step.links.currentKey();
      if (keyId === undefined) return { links: 0, revision: await step.revision() };
      const links = await step.links.retireKey(keyId, step.now);
      const revision = await step.announce({ kind: "link-key.retired", keyId });
      step.record("link.revoke", keyId, { all: true, links });
      return { links, revision };
    });
  }
}

async function knownLink(links: LinkReads, id: string): Promise<LinkRecord> {
  const link = await links.find(id);
  if (link === undefined) throw new GatewayError("ROUTE_014", { details: id });
  return link;
}
