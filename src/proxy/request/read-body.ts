import { whole } from "../../execution/whole.ts";
import { GatewayError } from "../../errors.ts";
import type { BodyMemory } from "../../limits/body-memory.ts";
import type { Exchange } from "./exchange.ts";
import { type MinimumRate, TransferRate } from "./transfer-rate.ts";

/** @throws GatewayError VAL_004 when the declared length is over the limit: before a byte of it is read. */
export function checkBodyLength(length: number, limit: number): void {
  if (length > limit) throw tooLarge(limit);
}

export interface BodyLimits {
  /** Bytes. */
  readonly size: number;
  /** The longest it may stand still, ms. */
  readonly silenceMs: number;
  readonly rate: MinimumRate;
}

/** A body that is not fast enough is found out within this time, ms. */
const RATE_CHECK_MS = 1_000;

/**
 * Reads a whole body into memory, which is taken from `memory` as it comes.
 * @throws GatewayError VAL_004 over the size, VAL_008 when it stands still or is too slow, RATE_005 when there is no memory
 *   for it, and whatever the exchange is cut with.
 */
export async function readBody(exchange: Exchange, memory: BodyMemory, limits: BodyLimits): Promise<Buffer> {
  const { body, isWhole } = await gatherBody(exchange, memory, limits);
  if (!isWhole) throw tooLarge(limits.size);
  return body;
}

/** A body, or its beginning: then it is over the size, and the rest has not been read. */
export interface Gathered {
  readonly body: Buffer;
  readonly isWhole: boolean;
}

/** The same, but what is over the size is for the caller to judge. @throws GatewayError VAL_008, RATE_005 */
export function gatherBody(exchange: Exchange, memory: BodyMemory, limits: BodyLimits): Promise<Gathered> {
  const { req } = exchange;
  exchange.bodyMemory = memory;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const rate = new TransferRate(limits.rate);
    rate.wait(performance.now());
    const silence = setTimeout(() => fail(new GatewayError("VAL_008")), limits.silenceMs);
    const pace = setInterval(
      () => {
        if (rate.isTooSlow(performance.now())) fail(tooSlow(limits.rate));
      },
      Math.min(RATE_CHECK_MS, limits.rate.afterMs + 1),
    );
    const stop = (): void => {
      clearTimeout(silence);
      clearInterval(pace);
      exchange.offCut(fail);
      req.off("data", onData).off("end", onEnd);
      req.pause();
    };
    const fail = (error: GatewayError): void => {
      stop();
      reject(error);
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > limits.size) return finish(false);
      try {
        memory.grow(size);
      } catch (error) {
        return fail(error as GatewayError);
      }
      rate.moved(chunk.length);
      silence.refresh();
    };
    const finish = (isWhole: boolean): void => {
      stop();
      const body = whole(chunks, size);
      if (body instanceof Promise) resolve(body.then((all) => ({ body: all, isWhole })));
      else resolve({ body, isWhole });
    };
    const onEnd = (): void => finish(true);
    req.on("data", onData).once("end", onEnd);
    exchange.onCut(fail);
  });
}

/** The client moves its bytes more slowly than it may. */
function tooSlow({ bytesPerSecond }: MinimumRate): GatewayError {
  return new GatewayError("VAL_008", { details: `slower than ${bytesPerSecond} bytes a second` });
}

/** The body has more than `limit` bytes. */
export function tooLarge(limit: number): GatewayError {
  return new GatewayError("VAL_004", { details: `The limit is ${limit} bytes` });
}
