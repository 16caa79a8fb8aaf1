import { createSecretKey } from "node:crypto";
import { AuditChain } from "../../audit/chain.ts";
import { checkpointSigner } from "../../audit/checkpoint/checkpoint.ts";
import { Checkpoints } from "../../audit/checkpoint/checkpoints.ts";
import { HeadKeeper, requireNoLoss, requireNoLossBeside } from "../../audit/kept-head.ts";
import { Retention } from "../../audit/retention.ts";
import { Indexer } from "../../audit/search/indexer.ts";
import { AuditSink } from "../../audit/sink/sink.ts";
import { AuditWriter } from "../../audit/writer.ts";
import type { KeyRing } from "../../auth/keys/key-ring.ts";
import type { Config } from "../../config/schema.ts";
import type { AuditLog } from "../../store/audit-log.ts";
import type { DataFolder } from "../../store/data-folder.ts";
import { FileWatch } from "../file-watch.ts";
import { AUDIT_DOWN, type SharedMemory, setAuditDown } from "../shared-memory/layout.ts";
import type { Log } from "./log.ts";
import type { Part, Parts } from "./parts.ts";

/**
 * The control thread's side of the audit: the writer, and whatever watches over what it has written.
 * @throws GatewayError GW_015 when records are missing.
 */
export async function startAuditPath(parts: Parts, options: AuditPathOptions): Promise<AuditWriter> {
  const { audit, folder, keys, config, memory, log, owned } = options;
  const chain = new AuditChain({ table: audit, key: keys.auditKey });
  const kept = requireNoLoss(folder.auditHead, audit, chain);
  if (kept === undefined && audit.head() !== undefined) {
    const message = "no head of the audit chain was kept: nothing tells whether its end is missing";
    log.warn({ file: folder.auditHead }, message);
  }
  const { AUDIT_SINK_FILE: sinkFile } = config;
  if (sinkFile !== "") {
    const sink = new AuditSink({
      file: sinkFile,
      log: audit,
      last: requireNoLossBeside(sinkFile, audit),
      onError: (error) => log.error({ file: sinkFile, error: String(error) }, "records cannot be written to the sink"),
    });
    await parts.start("audit sink", owned(sink));
  }
  const keeper = new HeadKeeper({
    place: { file: folder.auditHead, log: folder.databaseLog },
    audit,
    chain,
    kept,
    onError: (error) => log.error({ error: String(error) }, "the head of the audit chain cannot be kept"),
  });
  await parts.start("head keeper", owned(keeper));
  if (config.AUDIT_CHECKPOINT_INTERVAL !== "off") {
    const checkpoints = new Checkpoints({
      log: audit,
      chain,
      signer: checkpointSigner(keys.auditKey),
      everyMs: config.AUDIT_CHECKPOINT_INTERVAL,
      onCheckpoint: ({ seq, hash, records }, signature) =>
        log.info({ seq, hash, records, signature }, "audit checkpoint"),
      onError: (error) => log.error({ error: String(error) }, "the audit chain cannot be signed"),
      now: Date.now,
    });
    await parts.start("audit checkpoints", owned(checkpoints));
  }
  if (config.AUDIT_RETENTION !== "off") {
    const retention = new Retention({
      log: audit,
      chain,
      keepMs: config.AUDIT_RETENTION,
      onError: (error) => log.error({ error: String(error) }, "old audit records cannot be dropped"),
      now: Date.now,
    });
    await parts.start("retention", owned(retention));
  }
  const indexer = new Indexer({
    log: audit,
    key: createSecretKey(keys.auditKey),
    isBusy: busyThread(),
    onError: (error) => log.error({ error: String(error) }, "audit records cannot be indexed: searches take longer"),
  });
  await parts.start("audit indexer", indexer);
  const fate = config.AUDIT_FAIL_MODE === "open" ? "served without" : "refused";
  const watch = new FileWatch({
    files: [folder.database, folder.databaseLog],
    onGone(file) {
      setAuditDown(memory, AUDIT_DOWN.file, true);
      log.error({ file }, "the database was moved or deleted: calls are refused until a restart");
    },
  });
  await parts.start("file watch", watch);
  const writer = new AuditWriter({
    log: audit,
    chain,
    requireWritable: () => watch.requireSame(),
    onState(working, cause) {
      setAuditDown(memory, AUDIT_DOWN.writer, !working);
      if (working) log.info({}, "audit records can be written again");
      else log.error({ error: String(cause) }, `audit records cannot be written: calls are ${fate}`);
    },
    onDropped: () => log.error({}, "too many audit records wait to be written: further ones are dropped"),
  });
  return parts.open(
    "audit writer",
    () => writer,
    async () => {
      const lost = await writer.close();
      if (lost > 0) log.error({ records: lost }, "audit records could not be written and are lost");
    },
  );
}

/** The part of its time that the control thread works, from which on it is left alone. */
const BUSY = 0.2;

/** Whether this thread has been busy since it was asked last. */
function busyThread(): () => boolean {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    return utilization > BUSY;
  };
}

export interface AuditPathOptions {
  readonly audit: AuditLog;
  readonly folder: DataFolder;
  readonly keys: KeyRing;
  readonly config: Config;
  readonly memory: SharedMemory;
  readonly log: Log;
  /** See Ownership.part. */
  readonly owned: (part: Part<void>) => Part<void>;
}
