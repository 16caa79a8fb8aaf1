import { whole } from "../../execution/whole.ts";
import { GatewayError } from "../../errors.ts";
import type { RuntimeReply } from "../../runtimes/runtime.ts";
import type { Receiver } from "../dispatch/receiver.ts";

/** Gathers an instance's whole answer, up to a limit. */
export class Collect implements Receiver {
  /** The answer. @throws GatewayError EXEC_003 beyond the limit, PROXY_… when there is none. */
  readonly reply: Promise<RuntimeReply>;
  readonly #limit: number;
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #status = 0;
  #contentType = "";
  #resolve!: (reply: RuntimeReply) => void;
  #reject!: (error: GatewayError) => void;

  constructor(limit: number) {
    this.#limit = limit;
    this.reply = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  head(status: number, fields: readonly string[]): void {
    this.#status = status;
    for (let index = 0; index < fields.length; index += 2) {
      if (fields[index] === "content-type") this.#contentType = fields[index + 1] as string;
    }
  }

  data(chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#size > this.#limit) {
      throw new GatewayError("EXEC_003", { details: `The limit is ${this.#limit} bytes`, executed: "maybe" });
    }
    this.#chunks.push(chunk);
  }

  end(): void {
    const body = whole(this.#chunks, this.#size);
    if (body instanceof Promise) void body.then((all) => this.#answer(all));
    else this.#answer(body);
  }

  failed(error: GatewayError): void {
    this.#reject(error);
  }

  #answer(body: Buffer): void {
    this.#resolve({ status: this.#status, contentType: this.#contentType, body });
  }
}
