// Every error the gateway can answer with, once: what it means over HTTP, and what a person can do about it.
// Codes are a public contract (clients match on them): add, never renumber, never give a number that was taken out to another error.

interface ErrorEntry {
  /** HTTP status. */
  readonly status: number;
  /** One sentence for a person; details are added per occurrence. */
  readonly message: string;
  /** What to do about it. */
  readonly remediation: string;
  /** True when the same call may be sent again unchanged. */
  readonly retryable: boolean;
}

const entry = (status: number, message: string, remediation: string, retryable = false): ErrorEntry => ({
  status,
  message,
  remediation,
  retryable,
});

export const ERRORS = {
  // Who you are (401) and what you may do (403).
  AUTH_001: entry(401, "Invalid authentication token", "Get a new token: sandboxgw token create"),
  AUTH_002: entry(401, "Authentication required", "Send Authorization: Bearer <token>, or X-Sandbox-Token: <token>"),
  AUTH_003: entry(403, "Permission denied", "Use a token whose role includes this permission"),
  AUTH_004: entry(403, "Operation not allowed by this token", "Use a token that lists this operation"),
  AUTH_005: entry(
    400,
    "Malformed credentials",
    "Send one Authorization: Bearer <token>, or one X-Sandbox-Token: <token>",
  ),
  AUTH_006: entry(403, "Address not allowed", "Call from an allowed network, or change IP_ALLOW_LIST / IP_DENY_LIST"),

  AUTH_007: entry(
    403,
    "Link or ticket is for something else",
    "Open what it was made for, or have another made: sandboxgw link create",
  ),
  AUTH_011: entry(
    403,
    "A page of another origin may not do this with your session",
    "Call from a page of this origin, or with a token in Authorization",
  ),
  AUTH_012: entry(403, "This cannot be exchanged for a session", "Call with a token or an API key in Authorization"),
  AUTH_013: entry(
    401,
    "Client certificate not accepted",
    "Show one that TLS_CLIENT_ROLES names, or another credential",
  ),
  AUTH_009: entry(503, "Identity provider not reachable", "Wait the seconds given in Retry-After and repeat", true),
  AUTH_010: entry(403, "More than you hold yourself", "Ask for less, or have somebody do it who holds it"),
  AUTH_014: entry(
    429,
    "Too many failed authentications from this address",
    "Wait the seconds given in Retry-After, then show a credential that is good",
    true,
  ),

  RATE_001: entry(429, "Rate limit exceeded", "Slow down; wait the seconds given in Retry-After", true),
  RATE_002: entry(503, "Too many concurrent requests", "Wait the seconds given in Retry-After and repeat", true),
  RATE_003: entry(429, "Too many connections from this address", "Reuse connections (keep-alive)", true),
  RATE_004: entry(429, "Too many open streams", "Close streams that are not needed, or raise MAX_STREAMS", true),
  RATE_005: entry(503, "Too much request data in memory", "Wait the seconds given in Retry-After and repeat", true),
  RATE_006: entry(503, "Too many open connections", "Wait the seconds given in Retry-After and repeat", true),
  RATE_007: entry(
    429,
    "Too many upgraded connections",
    "Close some that are not needed, or raise MAX_TUNNELS, MAX_TUNNELS_PER_CALLER or --max-tunnels",
    true,
  ),
  RATE_008: entry(
    429,
    "Rate limit of the sandbox exceeded",
    "Wait the seconds given in Retry-After; others call it too. Its limit is its --rate-limit",
    true,
  ),
  RATE_009: entry(503, "Too many tickets are out", "Wait the seconds given in Retry-After and repeat", true),

  // The request itself.
  VAL_001: entry(400, "Malformed HTTP request", "Send a valid HTTP/1.1 request (RFC 9112)"),
  VAL_002: entry(400, "Request body is not valid JSON", "Send a JSON object as the body"),
  VAL_003: entry(422, "Request does not have the expected shape", "Correct the fields that are named"),
  VAL_004: entry(413, "Request body too large", "Send a smaller body, or raise MAX_BODY_SIZE or MAX_JSON_MEMBERS"),
  VAL_005: entry(415, "Unsupported content type", "Send Content-Type: application/json"),
  VAL_006: entry(431, "Request header fields too large", "Send fewer or shorter header fields"),
  VAL_007: entry(414, "Request target too long", "Use a shorter URL"),
  VAL_008: entry(408, "Request not received in time", "Send the whole request faster", true),
  VAL_009: entry(417, "Expectation not supported", "Send no Expect header, or Expect: 100-continue"),
  VAL_010: entry(400, "Invalid value", "Correct the value that is named"),
  VAL_011: entry(400, "Address not allowed as a target", "Name another address, or change TARGET_ALLOW / TARGET_DENY"),
  VAL_012: entry(422, "The request cannot be transformed", "Send what the sandbox's transformation expects"),

  ROUTE_001: entry(404, "Unknown sandbox", "List what exists: GET /api/v1/sandboxes, or sandboxgw sandbox list"),
  ROUTE_002: entry(404, "No such page", "See the README for the paths the gateway serves"),
  ROUTE_003: entry(405, "Method not allowed", "Use a method listed in the Allow header"),
  ROUTE_004: entry(409, "Already exists", "Choose another name, or remove the existing one first"),
  ROUTE_005: entry(404, "Unknown token", "List what exists: sandboxgw token list --all"),
  ROUTE_006: entry(404, "Unknown instance", "List what exists: sandboxgw instance list"),
  ROUTE_007: entry(508, "The request came back to this gateway", "Correct the sandbox's instance URL: it leads here"),
  ROUTE_008: entry(
    400,
    "The request names two destinations",
    "Name sandbox and port in one place alone (path, host, X-Sandbox fields), or the same in each",
  ),
  ROUTE_009: entry(404, "No such port", "Use a port that the sandbox has: sandboxgw sandbox update ID --ports 3000"),
  ROUTE_010: entry(404, "No sandbox has these labels", "Ask for fewer labels; see: sandboxgw sandbox show ID"),
  ROUTE_011: entry(404, "Unknown route", "List what exists: sandboxgw route list"),
  ROUTE_012: entry(
    409,
    "Another route takes these calls",
    "Name another path, host or methods, or remove that one first",
  ),
  ROUTE_013: entry(404, "Unknown audit record", "Search for it: sandboxgw audit search --help"),
  ROUTE_014: entry(404, "Unknown link", "List them with: sandboxgw link list --all"),

  ROUTE_015: entry(404, "Unknown signing key", "List what exists: sandboxgw key list"),
  ROUTE_016: entry(404, "Unknown role", "List what exists: sandboxgw role list"),
  ROUTE_017: entry(404, "Unknown session", "List what is open: sandboxgw session list"),
  ROUTE_018: entry(409, "The role has tokens", "Revoke them first, or remove the role all the same: --force"),

  // The way to the instance.
  PROXY_001: entry(503, "No instance could be reached", "Start the sandbox's instances, then repeat", true),
  PROXY_002: entry(502, "The instance broke the connection", "Check whether the call took effect before repeating it"),
  PROXY_003: entry(
    504,
    "The instance did not answer in time",
    "Check whether the call took effect before repeating it",
  ),
  PROXY_004: entry(
    502,
    "The instance sent an invalid response",
    "Look at the instance: it does not speak HTTP properly",
  ),
  PROXY_005: entry(499, "The client went away", "None: nobody was left to answer"),
  PROXY_006: entry(408, "The client stopped sending or reading", "Keep the transfer moving", true),
  PROXY_007: entry(
    503,
    "No connection to the instance came free in time",
    "Wait the seconds given in Retry-After and repeat, or raise PROXY_POOL_SIZE",
    true,
  ),
  PROXY_008: entry(
    502,
    "The instance's address is not allowed",
    "Look where its name leads, or change TARGET_ALLOW / TARGET_DENY",
  ),
  PROXY_009: entry(
    502,
    "The instance's certificate was not accepted",
    "Give the authority that signed it (--tls-ca) or the name it is for (--tls-server-name)",
  ),

  PROXY_010: entry(
    503,
    "All instances have as many requests as they may",
    "Wait the seconds given in Retry-After and repeat, add an instance, or raise --hard-limit",
    true,
  ),
  PROXY_011: entry(
    408,
    "Nothing moved for too long",
    "Send something now and then, or raise PROXY_TUNNEL_IDLE_TIMEOUT",
    true,
  ),
  PROXY_012: entry(
    503,
    "All instances are down, as the health checks say",
    "Start them, or correct the check (sandboxgw sandbox show says why it fails); --fail-open tries them all the same",
    true,
  ),
  PROXY_013: entry(503, "No room for another transformation", "Wait the seconds given in Retry-After and repeat", true),
  PROXY_014: entry(
    502,
    "The instance's answer cannot be transformed",
    "Look at the sandbox's transformation: sandboxgw transform test",
  ),
  PROXY_016: entry(
    408,
    "The upgraded connection has reached its maximum age",
    "Connect anew, or raise PROXY_TUNNEL_MAX_AGE",
    true,
  ),

  EXEC_001: entry(
    502,
    "The instance's answer could not be understood",
    "Check that the sandbox has the right --runtime",
  ),
  EXEC_002: entry(422, "The sandbox cannot do this operation", "Use an operation and language that it supports"),
  EXEC_003: entry(
    502,
    "The instance's answer is too large",
    "Print less, or raise MAX_RESPONSE_SIZE or MAX_JSON_MEMBERS",
  ),

  SANDBOX_001: entry(503, "The sandbox is busy", "Wait the seconds given in Retry-After and repeat", true),
  SANDBOX_002: entry(502, "The sandbox failed", "Look at the sandbox's own logs"),

  // The gateway itself.
  GW_001: entry(500, "Internal error", "Report this with the request id"),
  GW_002: entry(503, "Shutting down", "Repeat: another process will answer", true),
  GW_003: entry(503, "The audit record cannot be written", "Free disk space or repair the data folder", true),
  GW_004: entry(500, "The data folder is in use by another daemon", "Stop the other daemon, or use another --data-dir"),
  GW_005: entry(
    500,
    "The database is damaged",
    "Restore the data folder from a backup; without one, move the file away: sandboxgw audit accept-loss",
  ),
  GW_006: entry(500, "The database was written by a newer version", "Run the newer sandboxgw; nothing was changed"),
  // GW_007 was "the daemon is not running", which no command ever answered with.
  GW_008: entry(500, "The data folder cannot be used", "Check the folder's path, owner and permissions"),
  GW_009: entry(500, "A key cannot be read", "Restore the key file that belongs to this data folder"),
  GW_010: entry(500, "Cannot listen", "Free the port, or choose another one"),
  GW_011: entry(500, "The audit chain is broken", "Keep the file as evidence and compare it with a backup"),
  GW_012: entry(500, "Invalid configuration", "Correct what is named; to check again: sandboxgw config validate"),
  GW_013: entry(500, "The embedded sandbox cannot start", "Look at the daemon's log"),
  GW_014: entry(500, "No gateway was set up here", "Name its data folder with --data-dir; sandboxgw serve makes one"),
  GW_015: entry(
    500,
    "Part of the audit record is missing",
    "Restore the data folder from a backup, or go on without what is missing: sandboxgw audit accept-loss",
  ),
  GW_016: entry(500, "No gateway runs here", "Start it with sandboxgw serve, or name its data folder with --data-dir"),
  GW_017: entry(500, "The gateway has not reloaded its configuration", "Look at the gateway's log, then repeat"),
  GW_018: entry(
    500,
    "The sockets that were handed over cannot be used",
    "Correct the socket unit: TCP, FileDescriptorName=clients or admin (docs/operations.md)",
  ),
  GW_019: entry(500, "The gateway cannot hand over now", "Look at sandboxgw status, then: sandboxgw upgrade"),
  GW_020: entry(
    500,
    "The new process cannot serve; the one before goes on",
    "Look at the gateway's log, mend what it says, then repeat",
  ),
  GW_021: entry(500, "A public key is not to be trusted", "Use RSA of 2048 to 8192 bits, Ed25519 or P-256"),
} as const satisfies Record<string, ErrorEntry>;
