import type { AuditWriter } from "../../audit/writer.ts";
import type { Snapshot } from "../../domain/snapshot/snapshot.ts";
import { rateKey } from "../../limits/rate/rate-limit.ts";
import { Tally } from "../../limits/tunnels/tally.ts";
import { tunnelsOf } from "../../limits/tunnels/tunnels.ts";
import { MetricTotals } from "../../observe/metric-slots.ts";
import { createMetrics } from "../../observe/metrics.ts";
import type { SharedBoard } from "../../proxy/health/board.ts";
import { VERSION } from "../../version.ts";
import type { SharedMemory } from "../shared-memory/layout.ts";
import type { Health } from "../parts/health.ts";
import type { Vitals } from "./vitals.ts";

/** The metrics page of the whole process: what its threads count, and what only the control thread sees. */
export function daemonMetrics(options: {
  memory: SharedMemory;
  board: SharedBoard;
  vitals: Vitals;
  health: Health;
  writer: AuditWriter;
  /** See `rateKey`. */
  salt: string;
  snapshot: () => Snapshot;
}): ReturnType<typeof createMetrics> {
  const { memory, board, vitals, health, writer, salt, snapshot } = options;
  const tally = new Tally({ words: memory.tunnels, thread: memory.threads });
  return createMetrics({
    totals: new MetricTotals(memory.metrics),
    sandboxes: () => snapshot().sandboxes.values(),
    instance: (instance) => ({ state: board.state(instance), inFlight: board.inFlight(instance) }),
    gate: () => vitals.gate,
    connections: () => vitals.connections,
    streams: () => vitals.streams,
    tunnels: () => vitals.tunnels,
    tunnelsOf: (sandboxId) => tally.count(tunnelsOf(sandboxId, (name) => rateKey(salt, name))),
    auditWorking: () => vitals.auditWorking,
    auditDropped: () => writer.dropped,
    health: {
      checked: () => health.loop.size,
      down: () => health.loop.down.size,
      counts: health.loop.counts,
      changes: health.changes,
      outlooks: () => health.outlooks,
    },
    version: VERSION,
  });
}
