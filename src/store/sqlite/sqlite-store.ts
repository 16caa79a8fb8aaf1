import type { SnapshotData } from "../../domain/snapshot/snapshot.ts";
import type { AuditLog } from "../audit-log.ts";
import type {
  ChangeReads,
  FirstSigningKey,
  KeyTable,
  LinkReads,
  ObservedTable,
  RevocationReads,
  RoleReads,
  RouteReads,
  SandboxReads,
  SessionReads,
  SigningKeyReads,
  StateStore,
  TokenReads,
  Transaction,
  UseTable,
} from "../store.ts";
import { SqliteAudit } from "./audit.ts";
import { auditLog, auditTable } from "./audit-log.ts";
import { prepareChanges } from "./changes.ts";
import type { Connection, Query } from "./engine/connection.ts";
import { prepareKeys } from "./credentials/keys.ts";
import { prepareLinks } from "./credentials/links.ts";
import { observedTable } from "./observed.ts";
import { prepareRoles } from "./roles.ts";
import { prepareRoutes } from "./routes.ts";
import { prepareRevocations } from "./credentials/revocations.ts";
import { prepareSandboxes } from "./sandboxes.ts";
import { prepareSigningKeys } from "./credentials/signing-keys.ts";
import { prepareSessions } from "./credentials/sessions.ts";
import { prepareTokens } from "./credentials/tokens.ts";
import { prepareUses } from "./credentials/uses.ts";
import { Turns } from "./engine/turns.ts";

/** The state store and the node's audit log in one file, so that a change and its record are one commit. */
export class SqliteStore implements StateStore {
  readonly sandboxes: SandboxReads;
  readonly routes: RouteReads;
  readonly tokens: TokenReads;
  readonly links: LinkReads;
  readonly sessions: SessionReads;
  readonly roles: RoleReads;
  readonly revocations: RevocationReads;
  readonly changes: ChangeReads;
  readonly keys: KeyTable;
  readonly signingKeys: SigningKeyReads & FirstSigningKey;
  readonly observed: ObservedTable;
  readonly uses: UseTable;
  readonly audit: AuditLog;
  readonly #connection: Connection;
  readonly #turns: Turns;
  readonly #prepared: {
    readonly sandboxes: ReturnType<typeof prepareSandboxes>;
    readonly routes: ReturnType<typeof prepareRoutes>;
    readonly tokens: ReturnType<typeof prepareTokens>;
    readonly links: ReturnType<typeof prepareLinks>;
    readonly sessions: ReturnType<typeof prepareSessions>;
    readonly roles: ReturnType<typeof prepareRoles>;
    readonly revocations: ReturnType<typeof prepareRevocations>;
    readonly keys: ReturnType<typeof prepareKeys>;
    readonly signingKeys: ReturnType<typeof prepareSigningKeys>;
    readonly changes: ReturnType<typeof prepareChanges>;
    readonly audit: SqliteAudit;
    readonly dataVersion: Query<[], number>;
  };

  constructor(connection: Connection) {
    const turns = new Turns(connection);
    const prepared = {
      sandboxes: prepareSandboxes(connection),
      routes: prepareRoutes(connection),
      tokens: prepareTokens(connection),
      links: prepareLinks(connection),
      sessions: prepareSessions(connection),
      roles: prepareRoles(connection),
      revocations: prepareRevocations(connection),
      keys: prepareKeys(connection),
      signingKeys: prepareSigningKeys(connection),
      changes: prepareChanges(connection),
      audit: new SqliteAudit(connection),
      dataVersion: connection.preparePlucked<[], number>("PRAGMA data_version"),
    };
    this.#connection = connection;
    this.#turns = turns;
    this.#prepared = prepared;
    this.sandboxes = prepared.sandboxes.table(turns.alone);
    this.routes = prepared.routes.table(turns.alone);
    this.tokens = prepared.tokens.table(turns.alone);
    this.uses = prepareUses(connection)(turns.alone);
    this.links = prepared.links.table(turns.alone);
    this.sessions = prepared.sessions.table(turns.alone);
    this.roles = prepared.roles.table(turns.alone);
    this.revocations = prepared.revocations.table(turns.alone);
    this.changes = prepared.changes.table(turns.alone);
    this.keys = prepared.keys.table(turns.alone);
    this.signingKeys = { ...prepared.signingKeys.table(turns.alone), ...prepared.signingKeys.first(turns.alone) };
    this.observed = observedTable(connection, turns.alone);
    this.audit = auditLog({ connection, table: prepared.audit, turns });
  }

  transaction<T>(work: (tables: Transaction) => Promise<T>): Promise<T> {
    const { sandboxes, routes, tokens, links, sessions, roles, revocations, keys, signingKeys, changes, audit } =
      this.#prepared;
    return this.#turns.transaction((access, within) =>
      work({
        sandboxes: sandboxes.table(access),
        routes: routes.table(access),
        tokens: tokens.table(access),
        links: links.table(access),
        sessions: sessions.table(access),
        roles: roles.table(access),
        revocations: revocations.table(access),
        keys: keys.reseal(access),
        signingKeys: signingKeys.table(access),
        changes: changes.table(access),
        audit: auditTable(audit, within),
      }),
    );
  }

  snapshot(expiredBy: number): Promise<SnapshotData> {
    const { sandboxes, routes, tokens, links, sessions, roles, revocations, signingKeys, changes } = this.#prepared;
    const read = (): SnapshotData => ({
      revision: changes.revision(),
      sandboxes: sandboxes.list(),
      routes: routes.list(),
      revoked: [...tokens.revoked(expiredBy), ...links.revoked(expiredBy), ...revocations.ids(expiredBy)],
      revokedSubjects: revocations.subjects(),
      apiKeys: tokens.apiKeys(expiredBy),
      signingKeys: signingKeys.verifying(),
      retiredLinkKeys: links.retiredKeys(),
      sessions: sessions.open(expiredBy),
      roles: roles.list(),
    });
    return this.#turns.alone(() => this.#connection.read(read));
  }

  dataVersion(): Promise<number> {
    return this.#turns.alone(() => this.#prepared.dataVersion.get() ?? 0);
  }

  close(): Promise<void> {
    return this.#turns.close();
  }
}
