import { sessionIdOf } from "../domain/credential/session.ts";
import type { SigningKey } from "../domain/credential/signing-key.ts";
import type { Principal } from "../domain/principal.ts";
import type { Rights } from "../domain/role/rights.ts";
import { builtInRights, NO_RIGHTS } from "../domain/role/roles.ts";
import type { Snapshot } from "../domain/snapshot/snapshot.ts";
import { GatewayError } from "../errors.ts";

/**
 * Whether a principal still stands: what speaks for it has been verified before, and nothing since has taken it back. The
 * answer is remembered for the revision of the state that it was given in, so a request asks nothing where nothing changed.
 */
export class Standing {
  readonly principal: Principal;
  /** Of the snapshot in which it was good; the snapshot itself would be kept alive. */
  #goodAt = -1;
  #rights: Rights;

  constructor(principal: Principal) {
    this.principal = principal;
    this.#rights = (principal.credential === "none" ? builtInRights(principal.role) : undefined) ?? NO_RIGHTS;
  }

  /** What its role gave when that was last asked; nothing before. */
  get rights(): Rights {
    return this.#rights;
  }

  /** @throws GatewayError AUTH_001 when what speaks for the principal has been taken back, AUTH_003 when its role is gone. */
  check(snapshot: Snapshot): void {
    if (this.#goodAt === snapshot.revision) return;
    this.#goodAt = -1;
    this.#rights = NO_RIGHTS;
    checkStanding(this.principal, snapshot);
    this.#rights = rightsIn(snapshot, this.principal);
    this.#goodAt = snapshot.revision;
  }
}

/** Every way in which a credential can be taken back has its line here. */
function checkStanding(principal: Principal, snapshot: Snapshot): void {
  const { revoked, revokedSubjects, signingKeys, retiredLinkKeys } = snapshot;
  const { tokenId, grantedBy, credential, subject, issuedAt, keyId } = principal;
  if (credential === "none") return;
  if (revoked.get(tokenId) !== undefined) throw takenBack();
  const sessionId = sessionIdOf(principal);
  if (sessionId !== null && snapshot.sessions.get(sessionId) === undefined) throw ended();
  if (grantedBy !== null && revoked.get(grantedBy) !== undefined) throw takenBack();
  if (keyId !== null && (isRetired(signingKeys.get(keyId)) || retiredLinkKeys.get(keyId) !== undefined))
    throw takenBack();
  const subjectRevoked = revokedSubjects.get(subject);
  if (subjectRevoked !== undefined && issuedAt < subjectRevoked.issuedBefore) throw takenBack();
}

function rightsIn({ roles }: Snapshot, { role }: Principal): Rights {
  const rights = roles.get(role);
  if (rights !== undefined) return rights;
  throw new GatewayError("AUTH_003", {
    details: `There is no role ${role}`,
    remediation: "Use a token of another role",
  });
}

/** TOKEN_SECRET is no key of the snapshot, and never retired. */
function isRetired(key: SigningKey | undefined): boolean {
  return key !== undefined && key.retiredAt !== null;
}

function ended(): GatewayError {
  return new GatewayError("AUTH_001", {
    details: "Session has ended",
    reason: "revoked",
    remediation: "Open another one: POST /api/v1/session with a token",
  });
}

function takenBack(): GatewayError {
  return new GatewayError("AUTH_001", { details: "Token has been revoked", reason: "revoked" });
}
