import { createHmac, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { GatewayError } from "../../errors.ts";
import type { AuditLink } from "../../store/audit-log.ts";
import { recordOf } from "../search/filter.ts";

/** What is signed of a chain: where it ends at a time, and what it holds. */
export interface Checkpoint {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Number of the last record, and the hash of its link, hex. */
  readonly seq: number;
  readonly hash: string;
  /** Records that the chain has then: less than `seq` once old ones were dropped. */
  readonly records: number;
}

/** Signs checkpoints. Whoever has the public half can check them, and can make none. */
export interface CheckpointSigner {
  /** Ed25519, 32 bytes as base64url. */
  readonly publicKey: string;
  /** Base64url. */
  sign(checkpoint: Checkpoint): string;
}

// RFC 8410: what stands before the 32 bytes of an Ed25519 key in PKCS #8 and SPKI.
const PRIVATE = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC = Buffer.from("302a300506032b6570032100", "hex");

/** The signer of a data folder, from the key that proves its chain. */
export function checkpointSigner(auditKey: Buffer): CheckpointSigner {
  const seed = createHmac("sha256", auditKey).update("audit checkpoints").digest();
  const key = createPrivateKey({ key: Buffer.concat([PRIVATE, seed]), format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    publicKey: spki.subarray(PUBLIC.length).toString("base64url"),
    sign: (checkpoint) => sign(null, signedText(checkpoint), key).toString("base64url"),
  };
}

const BEGINNING = '{"kind":"checkpoint",';

/** The record of a checkpoint, as JSON text: it stands right behind what it is of, in a link of its own. */
export function checkpointRecord(checkpoint: Checkpoint, signer: CheckpointSigner): string {
  const { at, seq, hash, records } = checkpoint;
  const of = `"at_ms":${at},"head_seq":${seq},"head_hash":"${hash}","records":${records}`;
  return `${BEGINNING}${of},"key":"${signer.publicKey}","signature":"${signer.sign(checkpoint)}"}`;
}

export function isCheckpoint({ lines }: Pick<AuditLink, "lines">): boolean {
  return lines.startsWith(BEGINNING);
}

/** Why a checkpoint's record is none of this key for a chain that ends with `last`; undefined when it is. */
export function reasonAgainstCheckpoint(
  record: string,
  { seq, hash }: Pick<AuditLink, "seq" | "hash">,
  publicKey: string,
): string | undefined {
  const { at_ms: at, head_seq: ofSeq, head_hash: ofHash, records, signature } = recordOf(record) ?? {};
  if (typeof at !== "number" || typeof records !== "number" || typeof signature !== "string") {
    return "the checkpoint cannot be understood";
  }
  if (ofSeq !== seq || ofHash !== hash) return "the checkpoint is of another chain";
  const isSigned = verify(
    null,
    signedText({ at, seq, hash, records }),
    keyOf(publicKey),
    Buffer.from(signature, "base64url"),
  );
  return isSigned ? undefined : "the checkpoint was not signed with this chain's key";
}

/** @throws GatewayError VAL_010 when the text is no such key. */
function keyOf(publicKey: string): ReturnType<typeof createPublicKey> {
  const bytes = Buffer.from(publicKey, "base64url");
  if (bytes.length !== 32) throw new GatewayError("VAL_010", { details: "a checkpoint key is 32 bytes as base64url" });
  return createPublicKey({ key: Buffer.concat([PUBLIC, bytes]), format: "der", type: "spki" });
}

function signedText({ at, seq, hash, records }: Checkpoint): Buffer {
  return Buffer.from(`sandboxgw audit checkpoint\n${seq}\n${hash}\n${records}\n${at}\n`);
}
