import { lookup, type LookupAddress, type LookupOptions } from "node:dns";
import http from "node:http";
import https from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { type TargetPolicy, targetRefusal } from "../../domain/target-policy.ts";

const MOST_BYTES = 256 * 1024;

/**
 * Reads a document of an identity provider. Connects to no address that the policy refuses: what was checked is what is
 * connected to. Follows no redirect, verifies the certificate whatever the environment says, and takes at most `timeoutMs`
 * and 256 KiB. @throws Error that says what went wrong
 */
export function fetchDocument(
  url: string,
  { targets, timeoutMs }: { targets: TargetPolicy; timeoutMs: number },
): Promise<Buffer> {
  const { protocol, hostname } = new URL(url);
  const refusal = isIP(unbracketed(hostname)) === 0 ? undefined : refusalOf(unbracketed(hostname), targets);
  if (refusal !== undefined) return Promise.reject(new Error(`${hostname} ${refusal}`));
  const options = {
    agent: false,
    lookup: checkedLookup(targets),
    headers: { accept: "application/json", "accept-encoding": "identity" },
    signal: AbortSignal.timeout(timeoutMs),
  } as const;
  return new Promise((resolve, reject) => {
    const request =
      protocol === "https:"
        ? https.request(url, { ...options, rejectUnauthorized: true, minVersion: "TLSv1.2" })
        : http.request(url, options);
    const fail = (why: string): void => {
      request.destroy();
      reject(new Error(why));
    };
    request.on("error", reject).on("response", (response) => {
      response.on("error", reject);
      if (response.statusCode !== 200) return fail(`status ${response.statusCode}`);
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > MOST_BYTES) fail(`more than ${MOST_BYTES} bytes`);
        else chunks.push(chunk);
      });
      response.on("end", () => resolve(Buffer.concat(chunks)));
      return undefined;
    });
    request.end();
  });
}

function checkedLookup(targets: TargetPolicy): LookupFunction {
  return (hostname, options: LookupOptions, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error !== null) return callback(error, "");
      const allowed = found.filter(({ address }) => refusalOf(address, targets) === undefined);
      const [first] = allowed;
      if (first === undefined) {
        const why = found.map(({ address }) => `${address} ${refusalOf(address, targets) ?? ""}`).join(", ");
        return callback(new Error(`no address of ${hostname} is allowed: ${why}`), "");
      }
      return options.all === true ? callback(null, allowed) : callback(null, first.address, first.family);
    });
  };
}

/** TARGET_ALLOW is about instances; what nobody may connect to, and TARGET_DENY, hold here too. */
function refusalOf(address: string, { deny }: TargetPolicy): string | undefined {
  return targetRefusal(address, { allow: null, deny }, "administrator");
}

function unbracketed(hostname: string): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
}
