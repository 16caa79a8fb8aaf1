// What the control thread and a data thread say to each other.

import type { AuditBatch } from "../../audit/outbox.ts";
import type { ThreadKeys } from "../../auth/keys/key-ring.ts";
import type { Config } from "../../config/schema.ts";
import type { Revised } from "../../domain/change.ts";
import type { Extent, SnapshotData } from "../../domain/snapshot/snapshot.ts";
import type { Use } from "../../domain/token.ts";
import type { Errand, Outcome } from "./errands.ts";
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
  readonly keys: ThreadKeys;
  /** Random per process; see `rateKey`. */
  readonly salt: string;
}

export type ToThread =
  /** Everything before this is in force; now listen. */
  | { readonly kind: "serve"; readonly place: ListeningPlace }
  | { readonly kind: "changes"; readonly changes: readonly Revised[] }
  | { readonly kind: "snapshot"; readonly snapshot: SnapshotData }
  /** Forget what expired by then (ms since the epoch); what is left should be as much as this, or the thread answers `astray`. */
  | { readonly kind: "forget"; readonly expiredBy: number; readonly left: Extent }
  /** Follow this configuration from now on; answered with `configured`. */
  | { readonly kind: "config"; readonly config: Config }
  /** Follow what was followed before that again. */
  | { readonly kind: "revert" }
  | { readonly kind: "audited"; readonly last: number; readonly written: boolean }
  | { readonly kind: "done"; readonly errand: number; readonly outcome: Outcome }
  /** Finish what is in flight, and nothing else; see `drain`. */
  | { readonly kind: "drain"; readonly order: DrainOrder };

export type FromThread =
  /** It takes messages. */
  | { readonly kind: "ready" }
  | { readonly kind: "listening"; readonly port: number; readonly fds: readonly number[] }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "audit"; readonly batch: AuditBatch }
  | {
      readonly kind: "log";
      readonly level: "warn" | "error";
      readonly message: string;
      readonly fields: Record<string, unknown>;
    }
  /** When credentials were last used, of those that were since the last message of this kind. */
  | { readonly kind: "used"; readonly uses: readonly Use[] }
  /** Something that only the control thread can do; answered with `done`. */
  | { readonly kind: "errand"; readonly id: number; readonly errand: Errand }
  /** Its picture of the state is another than the control thread's: it needs a whole one. */
  | { readonly kind: "astray" }
  /** `problem`: why it could not; then everything is as it was. */
  | { readonly kind: "configured"; readonly problem: string | null }
  | { readonly kind: "drained" };
