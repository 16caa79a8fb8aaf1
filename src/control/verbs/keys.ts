import type { KeyRing } from "../../auth/keys/key-ring.ts";
import { adoptMasterKey, draftMasterKey, readMasterKey } from "../../auth/keys/master-key.ts";
import { seal, unseal } from "../../auth/keys/seal.ts";
import { newSigningKey, sharedSecretId } from "../../auth/keys/signing.ts";
import {
  isOverlapOver,
  type SigningAlgorithm,
  type SigningKey,
  type SigningKeyState,
  signingKeyState,
  verifyingPart,
} from "../../domain/credential/signing-key.ts";
import { GatewayError } from "../../errors.ts";
import type { StateStore } from "../../store/store.ts";
import { type Actor, type Control, check, type Step } from "../control.ts";

/** A signing key as people see it. */
export interface SigningKeyView {
  readonly id: string;
  readonly algorithm: SigningAlgorithm;
  readonly state: SigningKeyState;
  /** Milliseconds since the epoch; null = it is TOKEN_SECRET. */
  readonly createdAt: number | null;
  /** When what it has signed is good no more; null = nobody has said so. */
  readonly retiresAt: number | null;
}

const MAX_OVERLAP_MS = 3650 * 86_400_000;

/** The keys tokens are signed with. */
export class KeyVerbs {
  readonly #control: Control;
  readonly #store: Pick<StateStore, "signingKeys" | "keys">;
  readonly #keys: () => Promise<KeyRing>;
  readonly #now: () => number;

  constructor(options: {
    control: Control;
    store: Pick<StateStore, "signingKeys" | "keys">;
    keys: () => Promise<KeyRing>;
    now: () => number;
  }) {
    this.#control = options.control;
    this.#store = options.store;
    this.#keys = options.keys;
    this.#now = options.now;
  }

  /** Newest first. While TOKEN_SECRET is set it is the only one. */
  async list(_actor: Actor): Promise<SigningKeyView[]> {
    const { tokenSecret } = await this.#keys();
    if (tokenSecret !== null) {
      const id = sharedSecretId(tokenSecret);
      return [{ id, algorithm: "HS256", state: "active", createdAt: null, retiresAt: null }];
    }
    const now = this.#now();
    return (await this.#store.signingKeys.list()).map((key) => viewOf(key, now));
  }

  /**
   * Makes a key that signs from now on. What the one before has signed is good for `overlapMs` more. `algorithm`: null = that
   * of the one before. Returns both.
   * @throws GatewayError VAL_010 while TOKEN_SECRET signs.
   */
  async rotate(
    actor: Actor,
    wanted: { readonly algorithm: SigningAlgorithm | null; readonly overlapMs: number },
  ): Promise<{ key: SigningKeyView; before: SigningKeyView[]; revision: number }> {
    const { overlapMs } = wanted;
    check(Number.isSafeInteger(overlapMs) && overlapMs >= 0 && overlapMs <= MAX_OVERLAP_MS, "overlap is too long");
    const { sealingKey } = await this.#folderKeys();
    const signs = (await this.#store.signingKeys.list()).find(({ retiresAt }) => retiresAt === null);
    const algorithm = wanted.algorithm ?? signs?.algorithm ?? "HS256";
    const key = await newSigningKey(algorithm, { sealingKey, now: this.#now() });
    return await this.#control.write(actor, async (step) => {
      const before: SigningKey[] = [];
      for (const old of await step.signingKeys.list()) {
        if (old.retiresAt !== null) continue;
        before.push(
          await change(step, overlapMs === 0 ? retired(old, step.now) : { ...old, retiresAt: step.now + overlapMs }),
        );
      }
      await step.signingKeys.create(key);
      const revision = await step.announce({ kind: "signing-key.changed", signingKey: verifyingPart(key) });
      step.record("key.rotate", key.id, { algorithm, before: before.map(({ id }) => id), overlap_ms: overlapMs });
      return { key: viewOf(key, step.now), before: before.map((old) => viewOf(old, step.now)), revision };
    });
  }

  /**
   * Takes back at once all that a key has signed, and destroys it. Doing it twice is no error.
   * @throws GatewayError ROUTE_015; VAL_010 when it is the one that signs.
   */
  async retire(actor: Actor, id: string): Promise<{ key: SigningKeyView; revision: number }> {
    await this.#folderKeys();
    return await this.#control.write(actor, async (step) => {
      const key = await step.signingKeys.find(id);
      if (key === undefined) throw new GatewayError("ROUTE_015", { details: id });
      check(
        key.retiresAt !== null,
        `key ${id} signs: make another first, with key rotate (--overlap 0s retires this one)`,
      );
      // By whoever was first; perhaps that is not in force yet.
      if (key.retiredAt !== null) return { key: viewOf(key, step.now), revision: await step.revision() };
      const gone = await change(step, retired(key, step.now));
      step.record("key.retire", id, { algorithm: key.algorithm });
      return { key: viewOf(gone, step.now), revision: await step.revision() };
    });
  }

  /**
   * Seals all secrets anew, under another master key. `newKeyFile`: holds it, absolute; null = one is made, in the place of the
   * data folder's own. A running gateway need not know: it has them open. Returns where the master key is from now on.
   * @throws GatewayError GW_009 when a key cannot be read, or somebody else has just done the same; VAL_010
   */
  async rekey(
    actor: Actor,
    { newKeyFile }: { readonly newKeyFile: string | null },
  ): Promise<{ file: string; secrets: number; revision: number }> {
    const { masterKey } = await this.#keys();
    const { file, isOwn } = masterKey;
    check(isOwn || newKeyFile !== null, `the master key is in ${file}: name a file with the new one`);
    const old = readMasterKey(masterKey);
    const given = newKeyFile === null ? undefined : readMasterKey({ file: newKeyFile, isOwn: false });
    check(given === undefined || !given.equals(old), "it is the same master key");
    let draft: string | undefined;
    const secrets = await this.#control.write(actor, async (step) => {
      const opened = (await step.keys.list()).map(({ name, sealed }) => ({ name, secret: unseal(old, name, sealed) }));
      let next = given;
      if (next === undefined) ({ draft, key: next } = draftMasterKey(file));
      for (const { name, secret } of opened) await step.keys.replace({ name, sealed: seal(next, name, secret) });
      step.record("key.rekey", newKeyFile ?? file, { secrets: opened.length });
      return opened.length;
    });
    if (draft !== undefined) adoptMasterKey(draft, file);
    await this.#store.keys.scrub();
    return { file: newKeyFile ?? file, secrets, revision: 0 };
  }

  /** Retires the keys whose overlap is over. Returns how many. */
  async retireDue(actor: Actor): Promise<number> {
    const now = this.#now();
    if (!(await this.#store.signingKeys.list()).some((key) => isOverlapOver(key, now))) return 0;
    return await this.#control.write(actor, async (step) => {
      const over = (await step.signingKeys.list()).filter((key) => isOverlapOver(key, step.now));
      for (const key of over) {
        await change(step, retired(key, step.now));
        step.record("key.retire", key.id, { algorithm: key.algorithm, overlap: "over" });
      }
      return over.length;
    });
  }

  /** @throws GatewayError VAL_010 */
  async #folderKeys(): Promise<KeyRing> {
    const keys = await this.#keys();
    check(keys.tokenSecret === null, "TOKEN_SECRET signs: change it in the configuration, or remove it there first");
    return keys;
  }
}

async function change(step: Step, key: SigningKey): Promise<SigningKey> {
  await step.signingKeys.update(key);
  await step.announce({ kind: "signing-key.changed", signingKey: verifyingPart(key) });
  return key;
}

function retired(key: SigningKey, now: number): SigningKey {
  return { ...key, retiresAt: Math.min(key.retiresAt ?? now, now), retiredAt: now, sealed: null };
}

function viewOf(key: SigningKey, now: number): SigningKeyView {
  const { id, algorithm, createdAt, retiresAt } = key;
  return { id, algorithm, state: signingKeyState(key, now), createdAt, retiresAt };
}
