import { GatewayError } from "../../errors.ts";
import type { Exchange } from "./exchange.ts";

/** @throws GatewayError VAL_004 when the declared length is over the limit: before a byte of it is read. */
export function checkBodyLength(length: number, limit: number): void {
  if (length > limit) throw tooLarge(limit);
}

/**
 * Reads a whole body.
 * @throws GatewayError VAL_004 over `limit` bytes, VAL_008 when it does not move for `timeoutMs`, and whatever the exchange
 *   is cut with.
 */
export function readBody(exchange: Exchange, options: { limit: number; timeoutMs: number }): Promise<Buffer> {
  const { req } = exchange;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => fail(new GatewayError("VAL_008")), options.timeoutMs);
    const stop = (): void => {
      clearTimeout(timer);
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
      if (size > options.limit) return fail(tooLarge(options.limit));
      chunks.push(chunk);
      timer.refresh();
    };
    const onEnd = (): void => {
      stop();
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
    };
    req.on("data", onData).once("end", onEnd);
    exchange.onCut(fail);
  });
}

/** The body has more than `limit` bytes. */
export function tooLarge(limit: number): GatewayError {
  return new GatewayError("VAL_004", { details: `The limit is ${limit} bytes` });
}
