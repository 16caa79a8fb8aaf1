import type { AuditIndex, AuditLog, AuditTable } from "../audit-log.ts";
import type { Connection } from "./engine/connection.ts";
import type { Turns, Within } from "./engine/turns.ts";

/** The table as somebody sees it who may only use it `within` certain times. */
export function auditTable(table: AuditTable, within: Within): AuditTable {
  return {
    head: () => within(() => table.head()),
    insert: (link) => within(() => table.insert(link)),
    setHead: (head) => within(() => table.setHead(head)),
    anchor: () => within(() => table.anchor()),
    setAnchor: (anchor) => within(() => table.setAnchor(anchor)),
    drop: (seq) => within(() => table.drop(seq)),
    after: (seq, limit) => within(() => table.after(seq, limit)),
    last: (count) => within(() => table.last(count)),
  };
}

function auditIndex(index: AuditIndex, within: Within): AuditIndex {
  return {
    insertBlock: (block) => within(() => index.insertBlock(block)),
    dropBlocks: () => within(() => index.dropBlocks()),
    blocksFrom: (seq, limit) => within(() => index.blocksFrom(seq, limit)),
    blocksTo: (seq, limit) => within(() => index.blocksTo(seq, limit)),
  };
}

/** The audit log in the state store's own file: shut while one of its transactions is open. */
export function auditLog(options: { connection: Connection; table: AuditTable & AuditIndex; turns: Turns }): AuditLog {
  const { connection, table, turns } = options;
  return {
    ...auditTable(table, turns.between),
    ...auditIndex(table, turns.between),
    transaction: (work) => turns.between(() => connection.tryWrite(work)),
    read: (work) => turns.alone(() => work(table)),
  };
}
