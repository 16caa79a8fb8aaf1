// Where the gateway may connect to: asked when an address is registered and again when it is connected to.

import { BlockList, isIP, SocketAddress } from "node:net";
import { GatewayError } from "../errors.ts";

/** Who brought the target: an administrator, or somebody who is not trusted with the gateway's own networks. */
export type TargetOrigin = "administrator" | "stranger";

/** The lists TARGET_ALLOW and TARGET_DENY, ready to be asked. */
export interface TargetPolicy {
  /** null: what the origin allows. */
  readonly allow: BlockList | null;
  readonly deny: BlockList;
}

/** Lists hold networks as `networks()` of the configuration writes them: `address/prefix`. An empty `allow` is none. */
export function targetPolicy(allow: readonly string[], deny: readonly string[]): TargetPolicy {
  return { allow: allow.length === 0 ? null : listOf(allow), deny: listOf(deny) };
}

/**
 * Why the gateway may not connect to an address; undefined when it may.
 *
 * Metadata services, link-local addresses and what is no host's address never, whatever the lists say. TARGET_DENY goes
 * before TARGET_ALLOW. A TARGET_ALLOW that is not empty is all that is allowed, also private networks for a stranger. Without
 * one an administrator may name any other address, and a stranger public ones. `address`: IPv4 with four decimal numbers, or
 * IPv6; anything else (`127.1`, `0x7f000001`, a zone index) is not an address, because two readers could take it for two.
 */
export function targetRefusal(address: string, policy: TargetPolicy, origin: TargetOrigin): string | undefined {
  const version = isIP(address);
  if (version === 0) return "is not an IP address";
  if (address.includes("%")) return "has a zone index";
  const meant = version === 4 ? [address] : [address, ...embeddedIn(address)];
  for (const each of meant) {
    const never = NEVER.find(([list]) => contains(list, each));
    if (never !== undefined) return never[1];
    if (contains(policy.deny, each)) return "is denied by TARGET_DENY";
  }
  const { allow } = policy;
  if (allow !== null) return meant.every((each) => contains(allow, each)) ? undefined : "is not in TARGET_ALLOW";
  if (origin === "administrator") return undefined;
  return meant.some((each) => contains(PRIVATE, each)) ? "is private or loopback" : undefined;
}

/**
 * Checks the host of an instance's URL as far as it can be known without asking DNS: names are checked by the addresses that
 * they turn out to have, each time the gateway connects.
 * @throws GatewayError VAL_011
 */
export function checkTarget(url: string, policy: TargetPolicy, origin: TargetOrigin): void {
  const { hostname } = new URL(url);
  const refusal = hostRefusal(hostname, policy, origin);
  if (refusal !== undefined) throw new GatewayError("VAL_011", { details: `${hostname} ${refusal}` });
}

function hostRefusal(hostname: string, policy: TargetPolicy, origin: TargetOrigin): string | undefined {
  const host = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  if (isIP(host) !== 0) return targetRefusal(host, policy, origin);
  const name = host.replace(/\.$/, "").toLowerCase();
  if (METADATA_NAMES.has(name)) return METADATA;
  if (!isLocalhost(name)) return undefined;
  const refusals = LOCALHOST.map((address) => targetRefusal(address, policy, origin));
  return refusals.every((refusal) => refusal !== undefined) ? refusals[0] : undefined;
}

/** What `localhost` and every name under it mean (RFC 6761 section 6.3): nobody need be asked. */
export const LOCALHOST: readonly string[] = ["127.0.0.1", "::1"];

/** `name` in lower case, without a dot at its end. */
export function isLocalhost(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost");
}

const METADATA = "is a metadata service, which gives a machine's credentials away";
const METADATA_NAMES: ReadonlySet<string> = new Set([
  "metadata",
  "metadata.google.internal",
  "metadata.goog",
  "instance-data",
  "instance-data.ec2.internal",
]);

/** What nobody may connect to, and why. */
const NEVER: readonly (readonly [list: BlockList, because: string])[] = [
  [
    listOf([
      "169.254.169.254/32", // nearly everybody's
      "169.254.170.0/24", // Amazon's containers
      "fd00:ec2::/32", // Amazon
      "fd20:ce::254/128", // Google
      "fd00:42::42/128", // Scaleway
      "100.100.100.200/32", // Alibaba
      "168.63.129.16/32", // Azure
      "192.0.0.192/32", // Oracle
    ]),
    METADATA,
  ],
  [listOf(["169.254.0.0/16", "fe80::/10"]), "is link-local"],
  [listOf(["0.0.0.0/8", "::/128"]), "is no host's address: for this machine, write 127.0.0.1"],
  [listOf(["224.0.0.0/4", "ff00::/8"]), "is a multicast address"],
  [listOf(["240.0.0.0/4"]), "is a reserved address"],
];

const PRIVATE = listOf([
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "::1/128",
  "fc00::/7",
  "fec0::/10",
]);

/** The IPv4 addresses to which a packet for this IPv6 address may be taken: mapped, compatible, NAT64, 6to4, Teredo. */
function embeddedIn(address: string): string[] {
  const words = wordsOf(address);
  const [first, second] = words as [number, number];
  const last = dotted(words[6] as number, words[7] as number);
  const leadingZeros = words.findIndex((word) => word !== 0);
  // `::1` and `::` are what they are, and no form of 0.0.0.1 or 0.0.0.0.
  const isCompatible = leadingZeros >= 6 || (leadingZeros === 5 && words[5] === 0xffff);
  if (isCompatible) return leadingZeros === 7 && words[7] === 1 ? [] : [last];
  if (leadingZeros === 4 && words[4] === 0xffff) return [last]; // ::ffff:0:a.b.c.d (RFC 2765)
  if (first === 0x64 && second === 0xff9b) return [last];
  if (first === 0x2002) return [dotted(second, words[2] as number)];
  if (first === 0x2001 && second === 0) {
    return [dotted(words[2] as number, words[3] as number), dotted(~(words[6] as number), ~(words[7] as number))];
  }
  // ISATAP: an IPv4 address behind ::0:5efe or ::200:5efe.
  return words[5] === 0x5efe && (words[4] === 0 || words[4] === 0x200) ? [last] : [];
}

/** The eight words of an IPv6 address. */
function wordsOf(address: string): number[] {
  const { address: canonical } = new SocketAddress({ address, family: "ipv6" });
  const [left = "", right] = canonical.split("::");
  const head = wordsIn(left);
  const tail = wordsIn(right ?? "");
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}

function wordsIn(part: string): number[] {
  if (part === "") return [];
  return part.split(":").flatMap((word) => {
    if (!word.includes(".")) return [Number.parseInt(word, 16)];
    const [a, b, c, d] = word.split(".").map(Number) as [number, number, number, number];
    return [a * 256 + b, c * 256 + d];
  });
}

function dotted(high: number, low: number): string {
  return [(high >> 8) & 255, high & 255, (low >> 8) & 255, low & 255].join(".");
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", prefix] = network.split("/");
    list.addSubnet(address, Number(prefix), isIP(address) === 4 ? "ipv4" : "ipv6");
  }
  return list;
}

function contains(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");
}
