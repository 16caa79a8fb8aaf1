import {
  autoOr,
  choice,
  duration,
  flag,
  host,
  integer,
  label,
  networks,
  path,
  secret,
  size,
  type Value,
} from "./values.ts";

/** Sections of the file, in its order. They are for people: a key is found wherever it stands. */
export const SECTIONS = {
  gateway: "The listener that clients call.",
  admin: "The listener for health, metrics and administration. Keep it away from clients.",
  proxy: "The way from the gateway to a sandbox's instances.",
  balancer: "How an instance is chosen.",
  execute: "POST /api/v1/sandbox/execute.",
  auth: "Who may call.",
  rate_limit: "How often one caller may call.",
  access: "Where calls may come from.",
  sandbox: "Limits of the embedded sandbox (driver wasm).",
  storage: "Where state is kept.",
  audit: "The record of every call.",
  log: "What the daemon says about itself.",
} as const;

export type Section = keyof typeof SECTIONS;

/** One configuration key. Its name is the property of SCHEMA that holds it. */
export interface Key<T> {
  readonly section: Section;
  readonly value: Value<T>;
  /** The default, as it would be written in the file. */
  readonly initial: string;
  /** One sentence. */
  readonly doc: string;
}

const key = <T>(section: Section, value: Value<T>, initial: string, doc: string): Key<T> => ({
  section,
  value,
  initial,
  doc,
});

// No timer may exceed 2^31 - 1 ms (24.8 days): Node would fire it at once.
const LONGEST = "24d";

/** Every configuration key, once. */
export const SCHEMA = {
  GATEWAY_HOST: key("gateway", host(), "127.0.0.1", "Address to listen on."),
  GATEWAY_PORT: key("gateway", integer(0, 65535), "8080", "Port to listen on; 0 = any free port."),
  GATEWAY_WORKERS: key("gateway", autoOr(integer(1, 256)), "auto", "Data threads; auto = one per core."),
  MAX_CONCURRENT_REQUESTS: key(
    "gateway",
    integer(1, 1_000_000),
    "100",
    "Requests served at the same time, over all threads.",
  ),
  MAX_PENDING_REQUESTS: key(
    "gateway",
    integer(0, 1_000_000),
    "1024",
    "Requests that may wait for a free place; further ones get 503.",
  ),
  QUEUE_TIMEOUT: key(
    "gateway",
    duration("1ms", LONGEST),
    "5s",
    "How long a request may wait for a free place before it gets 503.",
  ),
  MAX_CONNECTIONS: key("gateway", integer(1, 1_000_000), "10000", "Open client connections."),
  MAX_CONNECTIONS_PER_IP: key("gateway", integer(1, 1_000_000), "1000", "Open client connections from one address."),
  MAX_BODY_SIZE: key("gateway", size("1kb", "16gb"), "10mb", "Largest request body."),
  MAX_RESPONSE_SIZE: key(
    "gateway",
    size("1kb", "1gb"),
    "10mb",
    "Largest answer an instance may give to an execute call.",
  ),
  MAX_HEADER_SIZE: key("gateway", size("1kb", "1mb"), "16kb", "Largest request header section, all fields together."),
  MAX_HEADERS_COUNT: key("gateway", integer(1, 2000), "100", "Most header fields in a request."),
  MAX_URL_LENGTH: key("gateway", size("64b", "64kb"), "8kb", "Longest request target."),
  HEADERS_TIMEOUT: key(
    "gateway",
    duration("100ms", LONGEST),
    "10s",
    "A client must have sent its header section within this time.",
  ),
  REQUEST_TIMEOUT: key(
    "gateway",
    duration("100ms", LONGEST),
    "300s",
    "A client must have sent its whole request within this time.",
  ),
  KEEP_ALIVE_TIMEOUT: key(
    "gateway",
    duration("1ms", LONGEST),
    "75s",
    "An idle client connection is closed after this time; keep it above the load balancer's.",
  ),
  SHUTDOWN_GRACE: key(
    "gateway",
    duration("0s", LONGEST),
    "30s",
    "Time that requests in flight get to finish when the daemon stops.",
  ),
  TRUSTED_PROXIES: key("gateway", networks(), "", "Proxies whose X-Forwarded-For is believed; empty = none."),

  ADMIN_HOST: key("admin", host(), "127.0.0.1", "Address to listen on."),
  ADMIN_PORT: key("admin", integer(0, 65535), "8081", "Port to listen on; 0 = any free port."),

  PROXY_TIMEOUT: key("proxy", duration("1ms", LONGEST), "30", "Time an instance has to begin its answer."),
  PROXY_CONNECT_TIMEOUT: key("proxy", duration("1ms", LONGEST), "5s", "Time to connect to an instance."),
  PROXY_SEND_TIMEOUT: key(
    "proxy",
    duration("1ms", LONGEST),
    "60s",
    "A client that stops sending its body or reading its answer is cut off after this time.",
  ),
  PROXY_STREAM_IDLE_TIMEOUT: key(
    "proxy",
    duration("1ms", LONGEST),
    "5m",
    "An answer in which nothing moves is cut off after this time.",
  ),
  PROXY_POOL_SIZE: key("proxy", integer(1, 65535), "128", "Most connections to one instance, per data thread."),
  PROXY_KEEPALIVE_TIMEOUT: key(
    "proxy",
    duration("1ms", LONGEST),
    "4s",
    "An idle connection to an instance is closed after this time; common servers close at 5 s.",
  ),
  MAX_RETRIES: key("proxy", integer(0, 100), "3", "Further tries after a failure that is safe to repeat."),

  LOAD_BALANCER_STRATEGY: key(
    "balancer",
    choice("round-robin"),
    "round-robin",
    "Strategy of sandboxes that name none.",
  ),

  EXECUTE_MAX_TIMEOUT: key("execute", duration("1ms", LONGEST), "300s", "Longest run a client may ask for."),

  AUTH_ENABLED: key("auth", flag(), "true", "false lets everyone in with every right: for a closed network only."),
  AUTH_PROVIDER: key("auth", choice("jwt"), "jwt", "How callers prove who they are."),
  TOKEN_SECRET: key("auth", secret(32), "", "Signs and checks tokens (HS256); empty = one made at first start."),
  TOKEN_ISSUER: key("auth", label(), "sandboxgw", "The iss that tokens are made with and must carry."),
  TOKEN_AUDIENCE: key("auth", label(), "sandboxgw", "The aud that tokens are made with and must carry."),
  AUTH_TOKEN_EXPIRY: key("auth", duration("1s", "3650d"), "3600", "Lifetime of a new token when none is asked for."),
  TOKEN_CLOCK_SKEW: key("auth", duration("0s", "10m"), "30s", "How far the clocks of token makers may be off."),
  TOKEN_CACHE_SIZE: key("auth", integer(0, 10_000_000), "10000", "Verified tokens kept in memory, per data thread."),

  RATE_LIMIT_ENABLED: key("rate_limit", flag(), "true", "Whether the limits below hold."),
  RATE_LIMIT_REQUESTS: key(
    "rate_limit",
    integer(1, 10_000_000),
    "100",
    "Requests per window, for each caller and for each address.",
  ),
  RATE_LIMIT_WINDOW: key("rate_limit", duration("1ms", "30d"), "60s", "Length of the window."),
  RATE_LIMIT_BURST: key(
    "rate_limit",
    integer(1, 10_000_000),
    "20",
    "Requests that may come at once before the rate is enforced.",
  ),

  IP_ALLOW_LIST: key("access", networks(), "", "Networks that may call; empty = all."),
  IP_DENY_LIST: key("access", networks(), "", "Networks that may not call, even if allowed above."),

  SANDBOX_RUN_TIMEOUT: key(
    "sandbox",
    duration("1ms", LONGEST),
    "10s",
    "Longest run when the client asks for none; then the run is killed.",
  ),
  SANDBOX_OUTPUT_LIMIT: key("sandbox", size("1kb", "1gb"), "1mb", "Output kept of one run; the rest is cut."),
  SANDBOX_MEMORY: key("sandbox", size("256mb", "64gb"), "512mb", "Memory of one run, its runtime included."),
  SANDBOX_MAX_RUNS: key("sandbox", integer(1, 64), "2", "Runs of one instance at the same time."),

  DATA_DIR: key(
    "storage",
    path(),
    "",
    "Data folder; empty = /var/lib/sandboxgw for root, else sandboxgw in $XDG_STATE_HOME or ~/.local/state.",
  ),
  SECRETS_KEY_FILE: key(
    "storage",
    path(),
    "",
    "File with the key that encrypts stored secrets; empty = secrets.key in the data folder.",
  ),

  AUDIT_MODE: key(
    "audit",
    choice("strict", "relaxed"),
    "strict",
    "strict: no answer ends before its record is written.",
  ),
  AUDIT_DURABILITY: key(
    "audit",
    choice("process", "power"),
    "process",
    "What a written record survives: the end of the process, or a power failure.",
  ),

  LOG_LEVEL: key(
    "log",
    choice("trace", "debug", "info", "warn", "error", "fatal", "silent"),
    "info",
    "Least severity to report.",
  ),
  LOG_FORMAT: key("log", choice("auto", "json", "pretty"), "auto", "auto = pretty on a terminal, JSON elsewhere."),
} as const satisfies Record<string, Key<unknown>>;

export type KeyName = keyof typeof SCHEMA;

/** The parsed configuration: durations in milliseconds, sizes in bytes, lists as arrays; "" = not set. */
export type Config = { readonly [K in KeyName]: (typeof SCHEMA)[K] extends Key<infer T> ? T : never };

/** Every key in the order of the file. */
export const KEY_NAMES: readonly KeyName[] = Object.keys(SCHEMA).filter(isKeyName);

export function isKeyName(name: string): name is KeyName {
  return Object.hasOwn(SCHEMA, name);
}

export function isSecret(name: KeyName): boolean {
  return "secret" in SCHEMA[name].value;
}

/** The name under which the file holding a secret is given: TOKEN_SECRET_FILE for TOKEN_SECRET. */
export function fileKeyOf(name: KeyName): string {
  return `${name}_FILE`;
}

export const FILE_KEYS: readonly string[] = KEY_NAMES.filter(isSecret).map(fileKeyOf);
