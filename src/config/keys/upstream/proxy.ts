import { key, LONGEST, section } from "../../key.ts";
import { networks, servers } from "../../../domain/value/networks.ts";
import { duration, integer, offOr } from "../../../domain/value/quantities.ts";
import { path } from "../../../domain/value/words.ts";

export const proxy = section("proxy", "The way from the gateway to a sandbox's instances.", {
  PROXY_TIMEOUT: key(duration("1ms", LONGEST), "30", "Time an instance has to begin its answer."),
  PROXY_CONNECT_TIMEOUT: key(duration("1ms", LONGEST), "5s", "Time to connect to an instance."),
  PROXY_TOTAL_TIMEOUT: key(
    offOr(duration("1ms", LONGEST)),
    "off",
    "Time for all of a proxied call, queue and tries included; a client may ask for less.",
  ),
  PROXY_SEND_TIMEOUT: key(
    duration("1ms", LONGEST),
    "60s",
    "Time a client has to send on, and to read the next 64 KB of its answer; then it is cut off.",
  ),
  PROXY_STREAM_IDLE_TIMEOUT: key(
    duration("1ms", LONGEST),
    "5m",
    "An answer in which nothing moves is cut off after this time, and a half-closed tunnel too.",
  ),
  PROXY_TUNNEL_IDLE_TIMEOUT: key(
    duration("1ms", LONGEST),
    "1h",
    "A WebSocket, or what else was upgraded, is closed when nothing has moved in it for this time.",
  ),
  PROXY_TUNNEL_MAX_AGE: key(
    offOr(duration("1ms", LONGEST)),
    "24h",
    "It is closed at this age, however much moves in it.",
  ),
  PROXY_POOL_SIZE: key(integer(1, 65535), "128", "Most connections to one instance, per data thread."),
  PROXY_POOL_TIMEOUT: key(
    duration("1ms", LONGEST),
    "5s",
    "Time a call may wait for a free one of those connections before it gets 503.",
  ),
  PROXY_KEEPALIVE_TIMEOUT: key(
    duration("1ms", LONGEST),
    "4s",
    "An idle connection to an instance is closed after this time; common servers close at 5 s.",
  ),
  TARGET_ALLOW: key(networks(), "", "The networks instances may be in; empty = all. Never link-local addresses."),
  TARGET_DENY: key(networks(), "", "Networks in which no instance may be."),
  PROXY_DNS_SERVERS: key(servers(), "", "Who is asked for names of instances; empty = as the system asks."),
  PROXY_TLS_CA_FILE: key(
    path(),
    "",
    "Authorities that sign certificates of https:// instances; empty = the public ones.",
  ),
  PROXY_TLS_CERT_FILE: key(path(), "", "The gateway's own certificate for instances that ask for one, in PEM."),
  PROXY_TLS_KEY_FILE: key(path(), "", "The key of that certificate, in PEM."),
  MAX_RETRIES: key(
    integer(0, 100),
    "3",
    "Further attempts at a call; one that may have reached an instance is repeated once at most.",
  ),
});
