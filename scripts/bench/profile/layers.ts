/** The parts of the gateway that a microsecond can belong to, in the order of a request's way. */
export const LAYERS = [
  "server (node:http)",
  "request head",
  "auth",
  "limits",
  "routing, headers, forwarding",
  "upstream client",
  "metrics",
  "audit",
  "thread messages",
  "system calls, HTTP parser",
  "garbage collection",
  "event loop, other",
] as const;

export type Layer = (typeof LAYERS)[number];

/** Where a function comes from: `url` is empty for native code. */
export interface Frame {
  readonly functionName: string;
  readonly url: string;
}

/**
 * The layer of a function's own time. What Node's internals, native code and libraries do is done for someone: it belongs to the
 * nearest caller that tells. `callers` are the frames above it, nearest first.
 */
export function layerOf(frame: Frame, callers: readonly Frame[]): Layer {
  if (frame.functionName === "(garbage collector)") return "garbage collection";
  if (frame.functionName === "(program)") return "system calls, HTTP parser";
  for (const { url, functionName } of [frame, ...callers]) {
    const known = RULES.find(([pattern]) => pattern.test(url));
    if (known !== undefined) return known[1];
    // node:http's server takes its sockets' reads past this function, so what comes this way is an instance's answer.
    if (functionName === "onStreamRead") return "upstream client";
  }
  return "event loop, other";
}

/** The first match decides. */
const RULES: readonly (readonly [RegExp, Layer])[] = [
  [/^node:_http_/, "server (node:http)"],
  [/^node:internal\/(worker|per_context\/messageport)/, "thread messages"],
  [/\/src\/proxy\/upstream\//, "upstream client"],
  [/\/src\/proxy\/(listener\/|dispatch\/deadlines\.)|\/src\/limits\/connections\./, "server (node:http)"],
  [/\/src\/proxy\/request\/head\./, "request head"],
  [/\/src\/proxy\/request\/record\./, "audit"],
  [/\/src\/(limits\/|proxy\/routes\/admit\.)/, "limits"],
  [/\/src\/auth\//, "auth"],
  [/\/src\/(audit|store)\/|\/node_modules\/better-sqlite3\//, "audit"],
  [/\/src\/observe\/|\/node_modules\/(prom-client|pino)\//, "metrics"],
  [/\/src\/daemon\/threads\/link\./, "thread messages"],
  [/\/src\/(proxy|runtimes|execution)\//, "routing, headers, forwarding"],
];
