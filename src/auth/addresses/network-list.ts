import { BlockList, isIP, SocketAddress } from "node:net";
import { GatewayError } from "../../errors.ts";

/**
 * Networks that an address is in or not. IPv4 and IPv6 are kept apart: a BlockList would find every IPv4 address in `::/0`,
 * and an allow list that means IPv6 would let all of IPv4 in.
 */
export class NetworkList {
  readonly #four = new BlockList();
  readonly #six = new BlockList();

  /** `entries`: addresses and CIDR ranges. @throws GatewayError GW_012 when one is neither. */
  constructor(entries: readonly string[]) {
    for (const entry of entries) this.#add(entry);
  }

  /** Whether a canonical address is in one of them; what is no address is in none. */
  has(address: string): boolean {
    const version = isIP(address);
    if (version === 4) return this.#four.check(address, "ipv4");
    return version === 6 && this.#six.check(address, "ipv6");
  }

  #add(entry: string): void {
    const [, text = "", bits] = ENTRY.exec(entry) ?? [];
    const written = isIP(text);
    const size = written === 4 ? 32 : 128;
    const prefix = Number(bits ?? size);
    if (written === 0 || prefix > size) {
      throw new GatewayError("GW_012", { details: `${JSON.stringify(entry)} is not an address or CIDR range` });
    }
    const address = canonicalAddress(text);
    const isMapped = written === 6 && isIP(address) === 4;
    if (isMapped && prefix >= MAPPED_BITS) this.#four.addSubnet(address, prefix - MAPPED_BITS, "ipv4");
    else if (written === 4) this.#four.addSubnet(address, prefix, "ipv4");
    else this.#six.addSubnet(text, prefix, "ipv6");
  }
}

/** What a sandbox, or whoever else has lists of its own, says about addresses. */
export interface AddressLists {
  /** Undefined or empty = all. */
  readonly allow: readonly string[] | undefined;
  readonly deny: readonly string[] | undefined;
}

/** Who may call by two lists, of which the denying one counts more. */
export class AddressRule {
  readonly #allow: NetworkList | null;
  readonly #deny: NetworkList | null;

  /** @throws GatewayError GW_012 when an entry is neither an address nor a CIDR range. */
  constructor({ allow = [], deny = [] }: AddressLists) {
    this.#allow = allow.length === 0 ? null : new NetworkList(allow);
    this.#deny = deny.length === 0 ? null : new NetworkList(deny);
  }

  /** `address`: canonical. */
  allows(address: string): boolean {
    return !(this.#deny?.has(address) ?? false) && (this.#allow?.has(address) ?? true);
  }
}

/** An address in one spelling: IPv4-mapped IPv6 as IPv4, no zone, shortest form. What is no address stays as it is. */
export function canonicalAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const zone = address.indexOf("%");
  const plain = zone < 0 ? address : address.slice(0, zone);
  const { address: canonical } = new SocketAddress({ address: plain, family: "ipv6" });
  return MAPPED.exec(canonical)?.[1] ?? canonical;
}

const MAPPED = /^::ffff:([0-9.]+)$/;
/** Length of what stands before the IPv4 address in an IPv4-mapped one (RFC 4291, 2.5.5.2). */
const MAPPED_BITS = 96;
const ENTRY = /^([0-9A-Fa-f:.]+)(?:\/([0-9]{1,3}))?$/;
