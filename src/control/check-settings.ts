import type { SettingTexts } from "../domain/settings/settings.ts";
import { parseTransformation } from "../domain/transform/transformation.ts";
import { wrong } from "../domain/value/value.ts";
import { GatewayError } from "../errors.ts";
import { checkExpressions } from "../transform/check-expressions.ts";

/**
 * What cannot be checked in passing: that the expressions in a transformation are some. Takes its time, so it comes before
 * the transaction.
 * @throws GatewayError VAL_010
 */
export async function checkSettings(texts: SettingTexts = {}): Promise<void> {
  const document = texts["transform"] ?? undefined;
  if (document === undefined) return;
  try {
    await checkExpressions(parseTransformation(document));
  } catch (error) {
    throw error instanceof GatewayError ? wrong(`--transform: ${error.details}`) : error;
  }
}
