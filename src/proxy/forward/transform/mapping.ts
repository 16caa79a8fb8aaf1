import type { BodyChange } from "../../../domain/transform/transformation.ts";
import type { Variables } from "../../../domain/transform/template.ts";
import type { GatewayError } from "../../../errors.ts";
import type { Mapped } from "../../../transform/mapper/mapper-process.ts";
import type { Mappers } from "../../../transform/mapper/mappers.ts";
import type { Exchange } from "../../request/exchange.ts";

/**
 * What an expression makes of a body. When the exchange is cut meanwhile, nobody waits for it any more: rejects with why.
 * `body` is given away.
 */
export async function mapped(
  exchange: Exchange,
  mappers: Mappers,
  change: BodyChange,
  { body, variables }: { readonly body: Buffer; readonly variables: Variables },
): Promise<Mapped> {
  const cut = new AbortController();
  const stop = (error: GatewayError): void => cut.abort(error);
  exchange.onCut(stop);
  const { expression, maxOutput, timeoutMs } = change;
  const { sandboxId, endBy: beginBy } = exchange;
  const result = await mappers.map(
    { sandboxId, expression, variables, maxOutput, timeoutMs, body, beginBy },
    cut.signal,
  );
  exchange.offCut(stop);
  cut.signal.throwIfAborted();
  return result;
}
