import type { AuditWriter } from "../../audit/writer.ts";
import { adminRecord } from "../../audit/record.ts";
import { VERSION } from "../../version.ts";

/** Leaves records of what the gateway does by itself: that it serves, that it follows another configuration, that it ends. */
export class Lifecycle {
  readonly #writer: Pick<AuditWriter, "accept">;
  #submitted = 0;

  constructor(options: { writer: Pick<AuditWriter, "accept"> }) {
    this.#writer = options.writer;
  }

  /** Waits for nothing: like every record of what did happen, it is kept until it can be written. */
  record(action: string, details: Readonly<Record<string, unknown>> = {}): void {
    this.#submitted += 1;
    const target = `process ${process.pid}`;
    const lines = adminRecord({
      at: Date.now(),
      actor: "gateway",
      action,
      target,
      details: { version: VERSION, ...details },
    });
    this.#writer.accept({ last: this.#submitted, count: 1, lines }, this.#acknowledge);
  }

  readonly #acknowledge = (): void => undefined;
}
