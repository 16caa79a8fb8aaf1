import { key, LONGEST, section } from "../../key.ts";
import { domain, host, networks, origin } from "../../../domain/value/networks.ts";
import { autoOr, duration, integer, size } from "../../../domain/value/quantities.ts";
import { choice } from "../../../domain/value/words.ts";

export const gateway = section("gateway", "The listener that clients call.", {
  GATEWAY_HOST: key(host(), "127.0.0.1", "Address to listen on."),
  GATEWAY_PORT: key(integer(0, 65535), "8080", "Port to listen on; 0 = any free port."),
  GATEWAY_DOMAIN: key(
    domain(),
    "",
    "Each sandbox is also a host of its own under this domain, {id}.GATEWAY_DOMAIN; empty = none is.",
  ),
  PUBLIC_URL: key(origin(), "", "Where clients reach the gateway, for links; empty = where it listens."),
  GATEWAY_WORKERS: key(autoOr(integer(1, 256)), "auto", "Data threads; auto = one per core."),
  THREAD_HANG_TIMEOUT: key(
    duration("500ms", LONGEST),
    "10s",
    "A data thread that shows no sign of life for this long is replaced.",
  ),
  MAX_CONCURRENT_REQUESTS: key(integer(1, 1_000_000), "100", "Requests served at the same time, over all threads."),
  MAX_CONCURRENT_PER_CALLER: key(
    autoOr(integer(1, 1_000_000)),
    "auto",
    "Most of them for one caller; auto = a quarter, so that no caller can take them all.",
  ),
  MAX_CONCURRENT_PER_SANDBOX: key(
    autoOr(integer(1, 1_000_000)),
    "auto",
    "Most of them for one sandbox; auto = half, so that a slow one does not slow the others.",
  ),
  MAX_PENDING_REQUESTS: key(
    integer(0, 1_000_000),
    "1024",
    "Requests that may wait for a free place, of which one caller has a quarter; further ones get 503.",
  ),
  QUEUE_TIMEOUT: key(
    duration("1ms", LONGEST),
    "5s",
    "How long a request may wait for a free place before it gets 503.",
  ),
  QUEUE_TARGET: key(
    duration("1ms", LONGEST),
    "250ms",
    "How long a caller's requests may wait when more keep coming than are served; then 503 at once.",
  ),
  MAX_STREAMS: key(
    integer(0, 1_000_000),
    "1000",
    "Streams open at the same time, over all threads, beside the requests.",
  ),
  MAX_STREAMS_PER_CALLER: key(autoOr(integer(0, 1_000_000)), "auto", "Most of them for one caller; auto = a tenth."),
  MAX_TUNNELS: key(
    integer(0, 1_000_000),
    "5000",
    "WebSockets, and what else was upgraded, open at the same time, over all threads.",
  ),
  MAX_TUNNELS_PER_CALLER: key(autoOr(integer(0, 1_000_000)), "auto", "Most of them for one caller; auto = a tenth."),
  MAX_TUNNELS_PER_SANDBOX: key(autoOr(integer(0, 1_000_000)), "auto", "Most of them for one sandbox; auto = half."),
  STREAM_AFTER: key(
    duration("1ms", LONGEST),
    "5s",
    "A proxied answer that goes on longer is a stream; text/event-stream is one from its beginning.",
  ),
  MAX_CONNECTIONS: key(integer(1, 1_000_000), "10000", "Open client connections."),
  MAX_CONNECTIONS_PER_IP: key(
    integer(1, 1_000_000),
    "1000",
    "Open client connections from one address; behind a trusted proxy, requests of one client.",
  ),
  MAX_BODY_SIZE: key(size("1kb", "16gb"), "10mb", "Largest request body."),
  MAX_BUFFERED_BODIES: key(
    size("1mb", "1024gb"),
    "128mb",
    "All bodies of execute calls held in memory, of which one caller has a quarter.",
  ),
  MIN_TRANSFER_RATE: key(
    integer(0, 1_000_000_000),
    "100",
    "Bytes a second that a client must send of its body on average, once it took 10 s; 0 = any.",
  ),
  MAX_RESPONSE_SIZE: key(size("1kb", "1gb"), "10mb", "Largest answer an instance may give to an execute call."),
  MAX_HEADER_SIZE: key(size("1kb", "1mb"), "16kb", "Largest request header section, all fields together."),
  MAX_HEADERS_COUNT: key(integer(1, 2000), "100", "Most header fields in a request."),
  UNDERSCORE_FIELDS: key(
    choice("drop", "refuse", "pass"),
    "drop",
    "Header fields with _ in the name, which many servers take for -; pass = but not beside that one.",
  ),
  MAX_URL_LENGTH: key(size("64b", "64kb"), "8kb", "Longest request target."),
  HEADERS_TIMEOUT: key(
    duration("100ms", LONGEST),
    "10s",
    "A client must have sent its header section within this time.",
  ),
  REQUEST_TIMEOUT: key(
    duration("100ms", LONGEST),
    "300s",
    "A client must have sent its whole request within this time.",
  ),
  KEEP_ALIVE_TIMEOUT: key(
    duration("1ms", LONGEST),
    "75s",
    "An idle client connection is closed after this time; keep it above the load balancer's.",
  ),
  SHUTDOWN_DELAY: key(
    duration("0s", LONGEST),
    "1s",
    "How long new calls are served on after a stop was asked for, each as the last of its connection.",
  ),
  SHUTDOWN_GRACE: key(
    duration("0s", LONGEST),
    "30s",
    "Time that requests in flight get to finish when the daemon stops.",
  ),
  HANDOVER_MAX_AGE: key(
    duration("0s", LONGEST),
    "1h",
    "How long a process that another one has replaced lets its streams and tunnels go on.",
  ),
  TRUSTED_PROXIES: key(networks(), "", "Proxies whose X-Forwarded-For and -Proto are believed; empty = none."),
});
