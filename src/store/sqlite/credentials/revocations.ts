import type { RevocationRow, SubjectRevocation } from "../../../domain/token.ts";
import type { RevocationTable } from "../../store.ts";
import type { Connection } from "../engine/connection.ts";
import type { Access } from "../engine/turns.ts";

/** The statements are prepared once; a table is one caller's view of them. The other two are for snapshots. */
export function prepareRevocations(connection: Connection): {
  readonly table: (access: Access) => RevocationTable;
  /** Of tokens made elsewhere that might live after `expiredBy`. */
  readonly ids: (expiredBy: number) => RevocationRow[];
  readonly subjects: () => SubjectRevocation[];
} {
  const findSubject = connection.preparePlucked<[subject: string], number>(
    "SELECT issued_before FROM revoked_subjects WHERE subject = ?",
  );
  const findId = connection.preparePlucked<[id: string], number>("SELECT revoked_at FROM revoked_ids WHERE id = ?");
  const revokeSubject = connection.prepare<[subject: string, issuedBefore: number, at: number]>(
    "REPLACE INTO revoked_subjects (subject, issued_before, revoked_at) VALUES (?, ?, ?)",
  );
  const revokeId = connection.prepare<[id: string, expiresAt: number, at: number]>(
    "REPLACE INTO revoked_ids (id, expires_at, revoked_at) VALUES (?, ?, ?)",
  );
  const ids = connection.prepare<[expiredBy: number], RevocationRow>(
    "SELECT id AS tokenId, expires_at AS expiresAt FROM revoked_ids WHERE expires_at > ?",
  );
  const subjects = connection.prepare<[], SubjectRevocation>(
    "SELECT subject, issued_before AS issuedBefore FROM revoked_subjects",
  );
  return {
    table: (access) => ({
      findSubject: (subject) => access(() => findSubject.get(subject)),
      findId: (tokenId) => access(() => findId.get(tokenId)),
      revokeSubject: ({ subject, issuedBefore }, at) => access(() => void revokeSubject.run(subject, issuedBefore, at)),
      revokeId: ({ tokenId, expiresAt }, at) => access(() => void revokeId.run(tokenId, expiresAt, at)),
    }),
    ids: (expiredBy) => ids.all(expiredBy),
    subjects: () => subjects.all(),
  };
}
