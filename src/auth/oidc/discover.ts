import { scanJson } from "../../domain/json-scan.ts";
import { documentUrl } from "../../domain/value/providers.ts";
import { isRecord } from "../tokens/form.ts";

const MOST_MEMBERS = 1_024;

/**
 * Where an issuer's keys are, as its own document says (OpenID Connect Discovery 1.0, section 4).
 * @throws Error when it says nothing of the kind, or speaks for another issuer
 */
export async function discoverKeys(issuer: string, fetch: (url: string) => Promise<Buffer>): Promise<string> {
  const document = await fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  scanJson(document, { members: MOST_MEMBERS });
  const read: unknown = JSON.parse(document.toString());
  if (!isRecord(read) || read["issuer"] !== issuer) throw new Error("the document speaks for another issuer");
  const { jwks_uri: keys } = read;
  if (typeof keys !== "string") throw new Error("the document names no keys");
  return documentUrl(keys);
}
