import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IpAccess, networkOf, schemeOf } from "../../src/auth/ip-access.ts";
import { canonicalAddress } from "../../src/auth/addresses/network-list.ts";
import { rateKey } from "../../src/limits/rate/rate-limit.ts";

interface Lists {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly trusted?: readonly string[];
}

function accessWith({ allow = [], deny = [], trusted = [] }: Lists): IpAccess {
  return new IpAccess({ allow, deny, trusted, rateKey: (name) => rateKey("salt", name) });
}

describe("an address", () => {
  test.each([
    ["1.2.3.4", "1.2.3.4"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["::FFFF:1.2.3.4", "1.2.3.4"],
    ["::ffff:102:304", "1.2.3.4"],
    ["0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4"],
    ["2001:DB8::A", "2001:db8::a"],
    ["2001:0db8:0:0:0:0:0:000a", "2001:db8::a"],
    ["fe80::1%eth0", "fe80::1"],
    ["::ffff:1.2.3.4%3", "1.2.3.4"],
    ["::1", "::1"],
    ["", ""],
    ["unknown", "unknown"],
  ])("%s is known as %j", (spelling, canonical) => {
    expect(canonicalAddress(spelling)).toBe(canonical);
    expect(accessWith({}).peer(spelling).address).toBe(canonical);
  });

  test.each([
    ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true],
    ["2001:0DB8:0001:0002::1", "2001:db8:1:2::2", true],
    ["2001:db8::1", "2001:db8:0:0:9::", true],
    ["::1", "::2", true],
    ["1:2:3:4:5:6:7:8", "1:2:3:4::", true],
    ["2001:db8:1:2::1", "2001:db8:1:3::1", false],
    ["2001:db8::1", "2001:db8:0:1::1", false],
    ["10.0.0.1", "10.0.0.2", false],
    ["10.0.0.1", "::ffff:10.0.0.1", true],
  ])("%s and %s are limited together: %j", (one, other, together) => {
    const access = accessWith({});
    expect(access.peer(one).rateKey === access.peer(other).rateKey).toBe(together);
  });

  test("of IPv6 is limited by its first 64 bits, whatever the spelling", () => {
    const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        fc.pre(groups.slice(0, 5).some((number) => number !== 0)); // not an IPv4 address in disguise
        const address = canonicalAddress(groups.map((number) => number.toString(16).padStart(4, "0")).join(":"));
        const network = groups.slice(0, 4).map((number) => number.toString(16));
        expect(networkOf(address)).toBe(network.join(":"));
      }),
    );
  });
});

describe("whether an address may call", () => {
  test.each<[string, Lists, string, boolean]>([
    ["no lists allow all", {}, "203.0.113.9", true],
    ["no lists allow all IPv6", {}, "2001:db8::1", true],
    ["in the allow list", { allow: ["10.0.0.0/8"] }, "10.255.0.1", true],
    ["not in the allow list", { allow: ["10.0.0.0/8"] }, "11.0.0.1", false],
    ["a single address is a network of one", { allow: ["10.0.0.5"] }, "10.0.0.5", true],
    ["a single address is not its neighbour", { allow: ["10.0.0.5"] }, "10.0.0.6", false],
    ["IPv4-mapped in an IPv4 network", { allow: ["10.0.0.0/8"] }, "::ffff:10.1.2.3", true],
    ["IPv4-mapped in hex in a denied IPv4 network", { deny: ["10.0.0.0/8"] }, "::ffff:a01:203", false],
    ["IPv4 in a network written as mapped", { deny: ["::ffff:10.0.0.0/104"] }, "10.1.2.3", false],
    ["denied though allowed", { allow: ["10.0.0.0/8"], deny: ["10.1.0.0/16"] }, "10.1.9.9", false],
    ["denied IPv6", { deny: ["2001:DB8::/32"] }, "2001:db8:ffff::1", false],
    ["IPv6 beside a denied network", { deny: ["2001:db8::/32"] }, "2001:db9::1", true],
    ["IPv6 with a zone", { deny: ["fe80::/10"] }, "fe80::1%eth0", false],
    ["an odd prefix length", { allow: ["2001:db8::/33"] }, "2001:db8:8000::1", false],
    ["IPv4 where only IPv6 is allowed", { allow: ["2001:db8::/32"] }, "10.0.0.1", false],
    ["IPv4 where all of IPv6 is allowed", { allow: ["::/0"] }, "10.0.0.1", false],
    ["IPv4 where all of IPv6 is denied", { deny: ["::/0"] }, "10.0.0.1", true],
    ["mapped where all of IPv6 is allowed", { allow: ["::/0"] }, "::ffff:10.0.0.1", false],
    ["IPv4 where all that is mapped is denied", { deny: ["::ffff:0:0/96"] }, "10.0.0.1", false],
    ["IPv6 where all of IPv4 is allowed", { allow: ["0.0.0.0/0"] }, "2001:db8::1", false],
    ["no address at all, with an allow list", { allow: ["0.0.0.0/0", "::/0"] }, "", false],
  ])("%s", (_why, lists, address, allowed) => {
    expect(accessWith(lists).peer(address).allowed).toBe(allowed);
  });

  test.each([
    "",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10.0.0.0/8.0",
    "10.0.0.0/0x8",
    "10.0.0.0/1e1",
    "10.0.0.0/ 8",
    " 10.0.0.0",
    "10.0.0",
    "10.0.0.0-10.0.0.9",
    "010.0.0.1",
    "2001:db8::/129",
    "2001:db8:::/32",
    "fe80::1%eth0",
    "example.com",
    "*",
  ])("cannot be decided by the entry %j, which is refused", (entry) => {
    for (const list of ["allow", "deny", "trusted"]) {
      expect(() => accessWith({ [list]: ["10.0.0.0/8", entry] })).toThrow(
        expect.objectContaining({
          code: "GW_012",
          details: `${JSON.stringify(entry)} is not an address or CIDR range`,
        }),
      );
    }
  });
});

describe("behind proxies", () => {
  const trusted = ["10.0.0.0/8", "2001:db8::/32"];

  test.each<[string, string, string | undefined, string]>([
    ["an untrusted peer speaks for itself only", "203.0.113.7", "1.1.1.1", "203.0.113.7"],
    ["a proxy without the field is the client", "10.0.0.1", undefined, "10.0.0.1"],
    ["one hop", "10.0.0.1", "198.51.100.4", "198.51.100.4"],
    ["what the client wrote itself is left of it", "10.0.0.1", "1.1.1.1, 198.51.100.4", "198.51.100.4"],
    ["a chain of proxies", "10.0.0.1", "1.1.1.1, 198.51.100.4, 10.9.9.9,10.0.0.2", "198.51.100.4"],
    ["proxies of both families", "2001:db8::1", "198.51.100.4, 10.0.0.2", "198.51.100.4"],
    ["only proxies: the first of them", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    ["no space and much space", "10.0.0.1", "1.1.1.1,\t 198.51.100.4  ", "198.51.100.4"],
    ["a mapped proxy", "::ffff:10.0.0.1", "198.51.100.4", "198.51.100.4"],
    ["a mapped hop", "10.0.0.1", "198.51.100.4, ::ffff:10.0.0.2", "198.51.100.4"],
    ["an IPv6 client", "10.0.0.1", "2001:0DB9::1", "2001:db9::1"],
    ["a hop that is no address ends the walk", "10.0.0.1", "198.51.100.4, unknown, 10.0.0.2", "10.0.0.2"],
    ["a right-most hop that is no address", "10.0.0.1", "198.51.100.4, _hidden", "10.0.0.1"],
    ["an empty field", "10.0.0.1", "", "10.0.0.1"],
    ["an address with a port", "10.0.0.1", "198.51.100.4:567", "198.51.100.4"],
    ["a proxy with a port", "10.0.0.1", "198.51.100.4, 10.0.0.2:80", "198.51.100.4"],
    ["an IPv6 address in brackets", "10.0.0.1", "[2001:db9::1]", "2001:db9::1"],
    ["an IPv6 address with a port", "10.0.0.1", "[2001:DB9:0::1]:567", "2001:db9::1"],
    ["an IPv6 address with a port in quotes", "10.0.0.1", '"[2001:db9::1]:1"', "2001:db9::1"],
    ["an address in quotes", "10.0.0.1", '"198.51.100.4", "10.0.0.2:1"', "198.51.100.4"],
    ["a mapped address with a port", "10.0.0.1", "[::ffff:198.51.100.4]:1", "198.51.100.4"],
    ["an address with a zone", "10.0.0.1", "fe80::1%eth0", "fe80::1"],
    ["an address with a zone and a port", "10.0.0.1", "[fe80::1%eth0]:80", "fe80::1"],
    ["a port that is none", "10.0.0.1", "1.1.1.1, 198.51.100.4:x", "10.0.0.1"],
    ["a name", "10.0.0.1", "1.1.1.1, example.com:80", "10.0.0.1"],
    ["an IPv4 address in brackets", "10.0.0.1", "1.1.1.1, [198.51.100.4]", "10.0.0.1"],
    ["brackets that do not close", "10.0.0.1", "1.1.1.1, [2001:db9::1", "10.0.0.1"],
    ["half an address", "10.0.0.1", "1.1.1.1, 198.51.100:80", "10.0.0.1"],
    ["one quote", "10.0.0.1", '1.1.1.1, "', "10.0.0.1"],
    ["an empty right-most hop", "10.0.0.1", "198.51.100.4,", "10.0.0.1"],
  ])("%s", (_why, peer, forwardedFor, client) => {
    const access = accessWith({ trusted });
    expect(access.client(access.peer(peer), forwardedFor)).toEqual(access.peer(client));
  });

  test("nobody is believed when no proxy is trusted", () => {
    const access = accessWith({});
    const peer = access.peer("10.0.0.1");
    expect(access.client(peer, "1.1.1.1")).toBe(peer);
  });

  test("the client, not the proxy, is held against the lists", () => {
    const access = accessWith({ trusted, allow: ["198.51.100.0/24"], deny: ["198.51.100.66"] });
    const proxy = access.peer("10.0.0.1");
    expect(proxy.allowed).toBe(false);
    expect(access.client(proxy, "198.51.100.4").allowed).toBe(true);
    expect(access.client(proxy, "198.51.100.66").allowed).toBe(false);
    expect(access.client(proxy, "198.51.100.4, 203.0.113.1").allowed).toBe(false);
  });

  test.each([
    ["https", "10.0.0.1", "https"],
    ["HTTPS", "10.0.0.1", "https"],
    ["http", "10.0.0.1", "http"],
    ["https", "203.0.113.7", "http"],
    ["https,http", "10.0.0.1", "http"],
    ["http,https", "10.0.0.1", "http"],
    ["wss", "10.0.0.1", "http"],
    ["", "10.0.0.1", "http"],
    [undefined, "10.0.0.1", "http"],
  ])("X-Forwarded-Proto: %s from %s says %s", (forwardedProto, peer, scheme) => {
    expect(schemeOf(accessWith({ trusted }).peer(peer), forwardedProto, false)).toBe(scheme);
  });

  test.each([
    [undefined, "203.0.113.7", "https"],
    ["http", "203.0.113.7", "https"],
    [undefined, "10.0.0.1", "https"],
    ["http", "10.0.0.1", "http"],
    ["wss", "10.0.0.1", "https"],
  ])("over TLS, X-Forwarded-Proto: %s from %s says %s", (forwardedProto, peer, scheme) => {
    expect(schemeOf(accessWith({ trusted }).peer(peer), forwardedProto, true)).toBe(scheme);
  });

  test("whatever a client writes into the field, it is taken for the address the proxy saw", () => {
    const access = accessWith({ trusted });
    const proxy = access.peer("10.0.0.1");
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.constant("10.0.0.1, 10.0.0.2")), (written) => {
        expect(access.client(proxy, `${written}, 203.0.113.5`).address).toBe("203.0.113.5");
      }),
    );
  });
});
