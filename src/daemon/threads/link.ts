// What the control thread and a data thread say to each other.

import type { AuditBatch } from "../../audit/outbox.ts";
import type { Config } from "../../config/schema.ts";
import type { Revised } from "../../domain/change.ts";
import type { SnapshotData } from "../../domain/snapshot/snapshot.ts";
import type { DrainOrder } from "./drain.ts";
import type { ListeningPlace } from "./listeners.ts";

/** What a data thread is started with. */
export interface ThreadStart {
  readonly thread: number;
  readonly threads: number;
  readonly config: Config;
  readonly memory: SharedArrayBuffer;
  readonly snapshot: SnapshotData;
  /** Where the sockets of `unix:` instances are. */
  readonly socketFolder: string;
  readonly signing: { readonly id: string; readonly algorithm: "HS256"; readonly secret: Uint8Array };
  /** Random per process; see `rateKey`. */
  readonly salt: string;
}

export type ToThread =
  /** Everything before this is in force; now listen. */
  | { readonly kind: "serve"; readonly place: ListeningPlace }
  | { readonly kind: "changes"; readonly changes: readonly Revised[] }
  | { readonly kind: "snapshot"; readonly snapshot: SnapshotData }
  /** Follow this configuration from now on; answered with `configured`. */
  | { readonly kind: "config"; readonly config: Config }
  | { readonly kind: "audited"; readonly last: number; readonly written: boolean }
  /** Finish what is in flight, and nothing else; see `drain`. */
  | { readonly kind: "drain"; readonly order: DrainOrder };

export type FromThread =
  /** It takes messages. */
  | { readonly kind: "ready" }
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "audit"; readonly batch: AuditBatch }
  | {
      readonly kind: "log";
      readonly level: "warn" | "error";
      readonly message: string;
      readonly fields: Record<string, unknown>;
    }
  /** `problem`: why it could not; then everything is as it was. */
  | { readonly kind: "configured"; readonly problem: string | null }
  | { readonly kind: "drained" };
