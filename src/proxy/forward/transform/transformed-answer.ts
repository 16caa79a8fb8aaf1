import type { BodyChange } from "../../../domain/transform/transformation.ts";
import { asGatewayError, GatewayError } from "../../../errors.ts";
import { BodyMemory } from "../../../limits/body-memory.ts";
import type { Cap } from "../../../limits/cap.ts";
import type { Mappers } from "../../../transform/mapper/mappers.ts";
import type { AnswerControl, Receiver, TunnelControl } from "../../dispatch/receiver.ts";
import type { Exchange } from "../../request/exchange.ts";
import type { Wire } from "../../upstream/upstream.ts";
import { isJson, unreadable } from "../../../domain/transform/json-type.ts";
import { mapped } from "./mapping.ts";
import { without } from "./outgoing.ts";
import { responseVariables } from "./variables.ts";

export interface AnswerOptions {
  readonly exchange: Exchange;
  readonly change: BodyChange;
  readonly mappers: Mappers;
  readonly bodyMemory: Cap;
}

/** Of an answer whose body has become another one these would be false. */
const OF_BYTES: ReadonlySet<string> = new Set([
  "content-length",
  "content-md5",
  "digest",
  "content-digest",
  "repr-digest",
  "etag",
  "last-modified",
  "accept-ranges",
]);

/** An answer that is held until all of it is there. */
interface Held {
  readonly status: number;
  readonly fields: readonly string[];
  readonly control: AnswerControl;
  readonly chunks: Buffer[];
  size: number;
  trailers: readonly string[] | undefined;
}

/**
 * Holds JSON answers back until they are whole, transforms them, and lets them go to `next`. Everything else goes there as it
 * comes.
 */
export class TransformedAnswer implements Required<Receiver> {
  readonly #next: Required<Receiver>;
  readonly #o: AnswerOptions;
  readonly #memory: BodyMemory;
  #held: Held | undefined;

  constructor(next: Required<Receiver>, options: AnswerOptions) {
    this.#next = next;
    this.#o = options;
    const { exchange, bodyMemory } = options;
    const memory = new BodyMemory({ cap: bodyMemory, callerKey: exchange.callerKey });
    const others = exchange.bodyMemory;
    exchange.bodyMemory = {
      release() {
        others?.release();
        memory.release();
      },
    };
    this.#memory = memory;
  }

  head(status: number, fields: readonly string[], control: AnswerControl): void {
    const { exchange, change } = this.#o;
    const type = valueOf(fields, "content-type");
    if (hasNoBody(exchange.method, status, fields)) {
      // What a GET would be answered with is not what these fields say.
      const said = exchange.method === "HEAD" && isJson(type) ? without(fields, OF_BYTES) : fields;
      return this.#next.head(status, said, control);
    }
    if (!isJson(type)) {
      if (change.otherTypes === "fail") throw untransformed(`It is no JSON, but ${type ?? "of no type"}`);
      return this.#next.head(status, fields, control);
    }
    const reason = status === 206 ? "It is a part" : unreadable(type as string, valueOf(fields, "content-encoding"));
    const length = Number(valueOf(fields, "content-length") ?? 0);
    const problem = reason ?? (length > change.maxInput ? tooLong(change) : undefined);
    if (problem === undefined) {
      this.#held = { status, fields, control, chunks: [], size: 0, trailers: undefined };
      return;
    }
    if (change.onError === "fail") throw untransformed(problem);
    this.#next.head(status, fields, control);
  }

  data(chunk: Buffer): void {
    const held = this.#held;
    if (held === undefined) return this.#next.data(chunk);
    held.chunks.push(chunk);
    held.size += chunk.length;
    const { change } = this.#o;
    if (held.size > change.maxInput) return this.#cannot(tooLong(change));
    try {
      this.#memory.grow(held.size);
    } catch (error) {
      this.#cannot((error as GatewayError).details);
    }
  }

  trailers(fields: readonly string[]): void {
    if (this.#held === undefined) this.#next.trailers(fields);
    else this.#held.trailers = fields;
  }

  hints(fields: readonly string[]): void {
    this.#next.hints(fields);
  }

  switched(fields: readonly string[], wire: Wire, control: TunnelControl): void {
    this.#next.switched(fields, wire, control);
  }

  failed(error: GatewayError): void {
    this.#held = undefined;
    this.#next.failed(error);
  }

  end(): void {
    const held = this.#held;
    if (held === undefined) return this.#next.end();
    if (held.size === 0) return this.#pass(held, true);
    // All that can still happen to it is told by the exchange.
    this.#transform(held).catch((error: unknown) => {
      this.#next.failed(asGatewayError(error).withExecuted("yes"));
    });
  }

  async #transform(held: Held): Promise<void> {
    const { exchange, change, mappers } = this.#o;
    const body = Buffer.concat(held.chunks, held.size);
    const variables = responseVariables(exchange, held.status);
    const result = await mapped(exchange, mappers, change, { body, variables });
    if (!Buffer.isBuffer(result)) {
      if (result.reason === "busy" || change.onError === "fail") throw untransformed(result.details);
      return this.#pass(held, true);
    }
    this.#held = undefined;
    const fields = [...without(held.fields, OF_BYTES), "content-length", String(result.length)];
    this.#next.head(held.status, fields, held.control);
    this.#next.data(result);
    this.#next.end();
  }

  /** @throws GatewayError PROXY_014 where it may not pass */
  #cannot(reason: string): void {
    if (this.#o.change.onError === "fail") throw untransformed(reason);
    this.#pass(this.#held as Held, false);
  }

  /** What was held goes on as it came. */
  #pass({ status, fields, control, chunks, trailers }: Held, isWhole: boolean): void {
    this.#held = undefined;
    this.#next.head(status, fields, control);
    for (const chunk of chunks) this.#next.data(chunk);
    if (trailers !== undefined) this.#next.trailers(trailers);
    if (isWhole) this.#next.end();
  }
}

function untransformed(details: string): GatewayError {
  return new GatewayError("PROXY_014", { details, executed: "yes" });
}

function tooLong({ maxInput }: BodyChange): string {
  return `It has more than ${maxInput} bytes`;
}

function hasNoBody(method: string, status: number, fields: readonly string[]): boolean {
  return method === "HEAD" || status === 204 || status === 304 || valueOf(fields, "content-length") === "0";
}

function valueOf(fields: readonly string[], name: string): string | undefined {
  for (let index = 0; index < fields.length; index += 2) if (fields[index] === name) return fields[index + 1];
  return undefined;
}
