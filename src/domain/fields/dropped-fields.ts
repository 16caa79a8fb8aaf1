// Which header fields do not pass the gateway, and why. A name that ends in "*" stands for all that begin so.

/** Field names in lower case, for one reason. */
export interface Dropped {
  readonly because: string;
  readonly names: readonly string[];
}

const ONE_CONNECTION: Dropped = {
  because: "means one connection only (RFC 9110 section 7.6.1, RFC 9112); each side of the gateway has its own",
  names: [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
  ],
};

export const SAYS_WHO_CALLS: Dropped = {
  because: "says who calls: code behind a front that authenticates believes it",
  names: [
    "remote-*",
    "x-remote-*",
    "x-auth-request-*",
    "x-authenticated-*",
    "x-authentik-*",
    "x-webauth-*",
    "x-goog-authenticated-user-*",
    "x-goog-iap-jwt-assertion",
    "x-amzn-oidc-*",
    "x-amzn-mtls-*",
    "x-ms-client-principal*",
    "x-ms-token-*",
    "x-consumer-*",
    "x-credential-*",
    "x-anonymous-consumer",
    "x-userinfo",
    "x-pomerium-*",
    "x-vouch-*",
    "cf-access-*",
    "tailscale-*",
    "client-cert",
    "client-cert-chain",
    "ssl-client-*",
    "x-ssl-*",
    "x-client-cert*",
    "x-client-verify",
    "x-client-dn",
    "x-arr-*",
  ],
};

/** Never taken from a client. */
export const FROM_CLIENT: readonly Dropped[] = [
  ONE_CONNECTION,
  {
    because: "the gateway answers it, or says it anew",
    names: ["host", "content-length", "expect", "via", "x-request-id"],
  },
  {
    because: "a credential of the gateway, or steers it",
    names: ["authorization", "x-sandbox-*", "x-request-timeout-ms"],
  },
  {
    because: "says from where a request comes, and how, in the words of one front or another",
    names: [
      "forwarded",
      "x-forwarded-*",
      "x-real-*",
      "x-client-ip",
      "client-ip",
      "x-cluster-client-ip",
      "true-client-ip",
      "x-true-client-ip",
      "x-originating-ip",
      "x-proxyuser-ip",
      "proxy-client-ip",
      "wl-proxy-*",
      "cf-connecting-ip*",
      "cf-pseudo-ipv4",
      "fastly-client-ip",
      "fastly-ssl",
      "fly-client-ip",
      "do-connecting-ip",
      "x-appengine-*",
      "x-azure-clientip",
      "x-azure-socketip",
      "x-nf-client-connection-ip",
      "x-vercel-forwarded-for",
      "x-scheme",
      "x-url-scheme",
      "front-end-https",
    ],
  },
  SAYS_WHO_CALLS,
  {
    because: "makes frameworks serve another path, host or file than the one that was authorised",
    names: [
      "x-original-*",
      "x-rewrite-url",
      "x-override-url",
      "x-host",
      "x-http-host-override",
      "x-script-name",
      "x-middleware-*",
      "x-accel-*",
      "x-sendfile-type",
      "x-envoy-*",
    ],
  },
  {
    because: "becomes HTTP_PROXY where fields become variables, and with it the way of what the code fetches",
    names: ["proxy"],
  },
];

/** Make of a call another one than the gateway has seen. A POST is the one it takes for code anyway, and never repeats. */
export const METHOD_OVERRIDES: ReadonlySet<string> = new Set([
  "x-http-method-override",
  "x-http-method",
  "x-method-override",
]);

/** Never taken from a sandbox. */
export const FROM_SANDBOX: readonly Dropped[] = [
  ONE_CONNECTION,
  {
    because: "the gateway's own word",
    names: ["x-request-id", "x-sandbox-id", "x-sandbox-port", "x-sandbox-token"],
  },
  {
    because: "an order to a front: fetch this instead, send that file, replay elsewhere, take this server out",
    names: [
      "x-accel-redirect",
      "x-accel-expires",
      "x-accel-limit-rate",
      "x-accel-charset",
      "x-sendfile*",
      "x-lighttpd-*",
      "x-litespeed-*",
      "x-reproxy-*",
      "x-middleware-*",
      "x-envoy-*",
      "fly-replay*",
      "surrogate-control",
      "edge-control",
    ],
  },
  {
    because: "holds for a whole origin, which all sandboxes behind the gateway share",
    names: [
      "alt-svc",
      "strict-transport-security",
      "public-key-pins*",
      "expect-ct",
      "clear-site-data",
      "service-worker-allowed",
      "nel",
      "report-to",
      "reporting-endpoints",
      "accept-ch",
      "set-login",
      "use-as-dictionary",
      "origin-agent-cluster",
      "sec-session-registration",
      "secure-session-registration",
    ],
  },
  {
    because: "tells clients how much they may ask for, which is the gateway's to say",
    names: ["ratelimit", "ratelimit-policy"],
  },
];

/** Never taken from behind a body, where nobody has acted on them yet (RFC 9110 section 6.5.1). */
export const NOT_BEHIND_A_BODY: Dropped = {
  because: "frames, routes, authenticates, or changes what to do with an answer that was acted upon already",
  names: [
    "content-length",
    "content-type",
    "content-encoding",
    "content-range",
    "content-location",
    "content-disposition",
    "content-language",
    "content-security-policy*",
    "host",
    "set-cookie*",
    "cookie*",
    "location",
    "refresh",
    "authorization",
    "www-authenticate",
    "authentication-info",
    "cache-control",
    "pragma",
    "expires",
    "age",
    "date",
    "vary",
    "warning",
    "retry-after",
    "accept-ranges",
    "range",
    "link",
    "access-control-*",
    "cross-origin-*",
    "x-frame-options",
    "x-content-type-options",
    "referrer-policy",
    "permissions-policy",
    "server",
    "via",
    "status",
  ],
};

/** Answers, for a name in lower case, whether it is among the dropped ones. */
export function matcherOf(dropped: readonly Dropped[]): (name: string) => boolean {
  const names = dropped.flatMap((group) => group.names);
  const exact = new Set(names.filter((name) => !name.endsWith("*")));
  const families = names.filter((name) => name.endsWith("*")).map((name) => name.slice(0, -1));
  if (families.length === 0) return (name) => exact.has(name);
  const begins = new RegExp(`^(?:${families.join("|")})`);
  return (name) => exact.has(name) || begins.test(name);
}
