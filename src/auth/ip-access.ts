import { isIP } from "node:net";
import { AddressRule, canonicalAddress, NetworkList } from "./addresses/network-list.ts";

/** One client address: its text, whether it may call, and its key for limits. */
export interface Peer {
  readonly address: string;
  /** What it is limited by: itself, or its /64. */
  readonly network: string;
  readonly allowed: boolean;
  /** A proxy of ours: what it says about its clients is believed. */
  readonly trusted: boolean;
  readonly rateKey: bigint;
}

/**
 * Decides once per connection, or once per request behind a trusted proxy, which address a request comes from and
 * whether that address may call at all.
 */
export class IpAccess {
  readonly #rule: AddressRule;
  readonly #trusted: NetworkList;
  readonly #rateKey: (name: string) => bigint;

  /**
   * Lists hold addresses and CIDR ranges. An empty allow list allows all; an empty trusted list trusts nobody.
   * @throws GatewayError GW_012 when an entry is neither.
   */
  constructor(options: {
    allow: readonly string[];
    deny: readonly string[];
    trusted: readonly string[];
    rateKey: (name: string) => bigint;
  }) {
    this.#rule = new AddressRule(options);
    this.#trusted = new NetworkList(options.trusted);
    this.#rateKey = options.rateKey;
  }

  /** Whether a client at this address may call. `address`: as `peer` gives it. */
  allows(address: string): boolean {
    return this.#rule.allows(address);
  }

  /** The other end of a connection. `address` as the socket gives it. */
  peer(address: string): Peer {
    const canonical = canonicalAddress(address);
    const network = networkOf(canonical);
    return {
      address: canonical,
      network,
      allowed: this.allows(canonical),
      trusted: this.#trusted.has(canonical),
      rateKey: this.#rateKey(`address ${network}`),
    };
  }

  /**
   * The client behind `peer`: the peer itself unless it is a trusted proxy; then the right-most address of
   * X-Forwarded-For that is not one. What stands left of it anybody can have written. What is no address ends the walk at
   * the proxy that said so.
   */
  client(peer: Peer, forwardedFor: string | undefined): Peer {
    if (!peer.trusted || forwardedFor === undefined) return peer;
    const hops = forwardedFor.split(",");
    let address = peer.address;
    for (let index = hops.length - 1; index >= 0; index--) {
      const hop = hopAddress((hops[index] as string).trim());
      if (hop === undefined) break;
      address = hop;
      if (!this.#trusted.has(hop)) break;
    }
    return this.peer(address);
  }
}

/** How the client's request came to the first of us: as a trusted proxy says, one word of two; else as it came here. */
export function schemeOf(peer: Peer, forwardedProto: string | undefined, secure: boolean): "http" | "https" {
  const said = peer.trusted ? forwardedProto?.toLowerCase() : undefined;
  if (said === "https" || said === "http") return said;
  return secure ? "https" : "http";
}

const WITH_PORT = /^(?:\[([0-9A-Fa-f:.]+(?:%[0-9A-Za-z._~-]+)?)\]|([0-9.]+))(?::[0-9]{1,5})?$/;

/** The address of one entry of X-Forwarded-For, which some write with a port, in brackets or in quotes. */
function hopAddress(entry: string): string | undefined {
  const hop = entry.length > 1 && entry.startsWith('"') && entry.endsWith('"') ? entry.slice(1, -1) : entry;
  if (isIP(hop) !== 0) return canonicalAddress(hop);
  const [, six, four] = WITH_PORT.exec(hop) ?? [];
  if (six !== undefined) return isIP(six) === 6 ? canonicalAddress(six) : undefined;
  return four !== undefined && isIP(four) === 4 ? four : undefined;
}

/** What a canonical address is limited by: an IPv6 customer has a whole /64 to choose from. */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [left = "", right] = address.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  const gap = right === undefined ? 0 : 8 - head.length - tail.length;
  return [...head, ...Array.from({ length: gap }, () => "0"), ...tail].slice(0, 4).join(":");
}
