import { GatewayError } from "../errors.ts";
import type { Labels } from "./labels.ts";
import type { Settings } from "./settings/settings.ts";

/** How to speak to a sandbox's instances; the names are in registry.ts. */
export type RuntimeName = string;
/** How a sandbox's instances come to life; the names are in registry.ts. */
export type DriverName = string;
/** How an instance is chosen; the names are in registry.ts. */
export type StrategyName = string;

/** One upstream address of a sandbox. */
export interface Instance {
  /** `ins_…` */
  readonly id: string;
  readonly sandboxId: string;
  /** `http://host:port`, `https://host:port`, or `unix:<name>.sock` in the data folder's `run` directory for instances the daemon starts. */
  readonly url: string;
  /** Counts up over all instances ever added and is never reused. */
  readonly number: number;
  /** Its share beside the others', where the strategy gives shares: 0 to 1,000, 1 unless set. */
  readonly weight: number;
  /** Gets nothing new; what it works on is finished. */
  readonly draining: boolean;
  /** Its circuit was opened by hand: gets nothing new until it is closed by hand. */
  readonly tripped: boolean;
  /** Its place in the daemon's shared memory, which the daemon gives it; the store knows of none. */
  readonly place?: number;
}

/** What a client names by `sandbox_id`. */
export interface Sandbox {
  readonly id: string;
  readonly runtime: RuntimeName;
  readonly driver: DriverName;
  /** Balancing strategy; null = LOAD_BALANCER_STRATEGY. */
  readonly strategy: StrategyName | null;
  readonly labels: Labels;
  /** What it has otherwise than the gateway's configuration says. */
  readonly settings: Settings;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** In the order they were added. */
  readonly instances: readonly Instance[];
}

/** True for an instance that the daemon starts and stops itself. */
export function isManaged({ url }: Instance): boolean {
  return url.startsWith("unix:");
}

/** What can be announced of sandboxes: the sandbox whole, with its instances as they are now. */
export type SandboxChange =
  | { readonly kind: "sandbox.put"; readonly sandbox: Sandbox }
  | { readonly kind: "sandbox.removed"; readonly sandboxId: string };

// Letters first, so that an id is never a dot segment, an option or an empty label.
const SANDBOX_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export function isSandboxId(value: string): boolean {
  return SANDBOX_ID.test(value);
}

// RFC 1035 section 2.3.1 and RFC 1123 section 2.1, in the one case that browsers send. What begins with a number and a hyphen
// is left free: a port may come to stand there.
const HOST_LABEL = /^(?!\d{1,5}-)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Whether a sandbox of this id can be reached by host. */
export function isHostLabel(id: string): boolean {
  return HOST_LABEL.test(id);
}

/**
 * An instance address as it is stored: scheme, host and port, nothing else.
 * @throws GatewayError VAL_010 when it is not `http://host[:port]` or `https://host[:port]`, or carries credentials, a path, a query or a fragment.
 */
export function parseInstanceUrl(text: string): string {
  const shown = JSON.stringify(text.replace(/^(.*?\/\/)?.*@/s, "$1…@")); // never repeat a password
  const wrong = (why: string) => new GatewayError("VAL_010", { details: `instance URL ${shown}: ${why}` });
  // `localhost:9000` is a URL too, with the scheme `localhost`.
  if (/^[^/@]+$/.test(text) && URL.canParse(`http://${text}`)) throw wrong(`write http://${text}`);
  if (!URL.canParse(text)) throw wrong("not a URL; expected http://host:port");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw wrong("only http:// and https:// are supported");
  if (url.username !== "" || url.password !== "") throw wrong("must not carry credentials");
  if ((url.pathname !== "/" && url.pathname !== "") || url.search !== "" || url.hash !== "") {
    throw wrong("must not carry a path, query or fragment");
  }
  if (url.hostname === "") throw wrong("has no host");
  return url.origin;
}
