import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AuditChain } from "../../../src/audit/chain.ts";
import {
  type Checkpoint,
  checkpointRecord,
  checkpointSigner,
  reasonAgainstCheckpoint,
} from "../../../src/audit/checkpoint/checkpoint.ts";
import { Checkpoints } from "../../../src/audit/checkpoint/checkpoints.ts";
import { entriesOf } from "../../../src/audit/entries.ts";
import { verifyChain } from "../../../src/audit/verify.ts";
import { openTestStore } from "../../support/stores.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const KEY = Buffer.alloc(32, 7);
const EVERY = 60_000;
const NOW = 1_800_000_000_123;

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

function signing({ key = KEY, file = join(temporaryFolder(), "test.db") } = {}) {
  const { audit } = openTestStore(file);
  const chain = new AuditChain({ table: audit, key: KEY });
  const signed: { of: Checkpoint; signature: string }[] = [];
  const errors: unknown[] = [];
  const checkpoints = new Checkpoints({
    log: audit,
    chain: new AuditChain({ table: audit, key }),
    signer: checkpointSigner(KEY),
    everyMs: EVERY,
    onCheckpoint: (of, signature) => signed.push({ of, signature }),
    onError: (error) => errors.push(error),
    now: () => NOW,
  });
  const add = (...lines: string[]) => audit.transaction(() => chain.append(lines.join("\n"), lines.length));
  checkpoints.start();
  return { audit, add, signed, errors, checkpoints };
}

describe("a checkpoint", () => {
  it("is signed each time that something was added, as a record behind it, and never of itself", () => {
    const { audit, add, signed } = signing();
    vi.advanceTimersByTime(EVERY);
    expect(signed).toEqual([]);
    add('{"n":1}', '{"n":2}');
    const head = audit.head();
    vi.advanceTimersByTime(EVERY * 5);
    add('{"n":3}');
    vi.advanceTimersByTime(EVERY);
    expect(signed.map(({ of }) => of.seq)).toEqual([2, 4]);
    expect(signed[0]?.of).toEqual({ at: NOW, seq: 2, hash: head?.hash, records: 2 });
    const verdict = verifyChain({ table: audit, key: KEY, hasHistory: true });
    const { publicKey: key } = checkpointSigner(KEY);
    expect(verdict).toMatchObject({ intact: true, records: 5, checkpoints: { count: 2, seq: 4, key } });
  });

  it("can be checked with the public key alone, and fails with another chain, number, time or key", () => {
    const signer = checkpointSigner(KEY);
    const last = { seq: 7, hash: "ab".repeat(32) };
    const record = checkpointRecord({ at: NOW, records: 7, ...last }, signer);
    const against = (text: string, of = last, key = signer.publicKey) => reasonAgainstCheckpoint(text, of, key);
    expect(against(record)).toBeUndefined();
    expect(against(record, { ...last, seq: 8 })).toBe("the checkpoint is of another chain");
    expect(against(record, { ...last, hash: "cd".repeat(32) })).toBe("the checkpoint is of another chain");
    const unsigned = "the checkpoint was not signed with this chain's key";
    expect(against(record.replace(String(NOW), String(NOW + 1)))).toBe(unsigned);
    expect(against(record.replace('"records":7', '"records":6'))).toBe(unsigned);
    expect(against(record, last, checkpointSigner(Buffer.alloc(32, 8)).publicKey)).toBe(unsigned);
    expect(against('{"kind":"checkpoint","x":1}')).toBe("the checkpoint cannot be understood");
  });

  it("that whoever holds the chain's key, but signs with another, put in is found", () => {
    const { audit, add } = signing();
    add('{"n":1}');
    const { seq, hash } = audit.head() ?? { seq: 0, hash: "" };
    add(checkpointRecord({ at: NOW, seq, hash, records: 1 }, checkpointSigner(Buffer.alloc(32, 9))));
    const reason = "the checkpoint was not signed with this chain's key";
    expect(verifyChain({ table: audit, key: KEY, hasHistory: true })).toEqual({ intact: false, seq: 2, reason });
  });

  it("is not made of a head that this gateway did not write, which is told once", () => {
    const { audit, add, signed, errors } = signing({ key: Buffer.alloc(32, 1) });
    add('{"n":1}');
    vi.advanceTimersByTime(EVERY * 3);
    expect(signed).toEqual([]);
    expect(errors).toEqual([expect.objectContaining({ code: "GW_011" })]);
    expect(entriesOf(audit.last(9))).toHaveLength(1);
  });

  it("is made a second later when another process was writing", () => {
    const file = join(temporaryFolder(), "test.db");
    const { add, signed } = signing({ file });
    const other = openTestStore(file);
    add('{"n":1}');
    expect(other.audit.transaction(() => void vi.advanceTimersByTime(EVERY))).toBe(true);
    expect(signed).toEqual([]);
    vi.advanceTimersByTime(1_000);
    expect(signed).toHaveLength(1);
  });
});

describe("a record that was noted elsewhere", () => {
  it("must be in the chain", () => {
    const { audit, add } = signing();
    add('{"n":1}', '{"n":2}');
    add('{"n":3}');
    const [first] = entriesOf(audit.last(9));
    const verify = (noted: { seq: number; hash: string }) =>
      verifyChain({ table: audit, key: KEY, hasHistory: true, noted });
    expect(verify({ seq: 1, hash: first?.hash ?? "" })).toMatchObject({ intact: true });
    expect(verify({ seq: 3, hash: first?.hash ?? "" })).toMatchObject({
      reason: "record 3 is not the one that somebody noted",
    });
    expect(verify({ seq: 4, hash: first?.hash ?? "" })).toMatchObject({
      reason: "records 4 to 4 are missing, which somebody noted",
    });
  });
});
