import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createLookup } from "../../../../src/proxy/upstream/reach/lookup.ts";
import { type DnsAnswer, startDnsServer } from "../../../support/dns-server.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

/** A look-up with a DNS server of its own that says `four` and `six` of every name. */
async function lookupWith(four: DnsAnswer, six: DnsAnswer, hosts = "") {
  const { server, asked } = await startDnsServer((_name, family) => (family === 4 ? four : six));
  const hostsFile = join(temporaryFolder(), "hosts");
  writeFileSync(hostsFile, hosts);
  return { lookup: createLookup({ servers: [server], hostsFile }), asked };
}

const FOUR: DnsAnswer = { addresses: ["192.0.2.1", "192.0.2.2"], ttl: 20 };
const SIX: DnsAnswer = { addresses: ["2001:db8::1"], ttl: 30 };

describe("a name in DNS", () => {
  test("has the addresses of both families in turn, for the shorter of their times", async () => {
    const { lookup, asked } = await lookupWith(FOUR, SIX);
    expect(await lookup("box.test")).toEqual({
      addresses: ["2001:db8::1", "192.0.2.1", "192.0.2.2"],
      ttlMs: 20_000,
    });
    expect(asked.toSorted()).toEqual(["A box.test", "AAAA box.test"]);
  });

  test.each<[string, DnsAnswer, DnsAnswer, string[]]>([
    ["none of the other family", FOUR, { addresses: [] }, ["192.0.2.1", "192.0.2.2"]],
    ["an unknown other family", "unknown", SIX, ["2001:db8::1"]],
    ["a failure for the other family", FOUR, "failure", ["192.0.2.1", "192.0.2.2"]],
    ["silence about the other family", FOUR, "silent", ["192.0.2.1", "192.0.2.2"]],
  ])("with %s is found all the same, and soon", async (_, four, six, addresses) => {
    const { lookup } = await lookupWith(four, six);
    const before = performance.now();
    expect((await lookup("box.test")).addresses).toEqual(addresses);
    expect(performance.now() - before).toBeLessThan(1_000);
  });

  test.each<[DnsAnswer, string]>([
    ["unknown", "ENOTFOUND"],
    ["failure", "ESERVFAIL"],
    [{ addresses: [] }, "ENODATA"],
  ])("of which the server says %j is not found: %s", async (said, code) => {
    const { lookup } = await lookupWith(said, said);
    await expect(lookup("box.test")).rejects.toMatchObject({ code });
  });

  test("is not looked for there when the hosts file has it", async () => {
    const hosts = "# comment\n127.0.0.9 other\n\n192.0.2.7\tbox.test  alias # it\n2001:db8::7 BOX.test\nbad box.test\n";
    const { lookup, asked } = await lookupWith(FOUR, SIX, hosts);
    expect((await lookup("box.test")).addresses).toEqual(["192.0.2.7", "2001:db8::7"]);
    expect((await lookup("alias")).addresses).toEqual(["192.0.2.7"]);
    expect(asked).toEqual([]);
  });
});

test("one slow name holds up no other", async () => {
  const { server } = await startDnsServer((name) => (name.startsWith("slow") ? "silent" : FOUR));
  const lookup = createLookup({ servers: [server], hostsFile: "/nonexistent" });
  const slow = Array.from({ length: 20 }, (_, index) => lookup(`slow-${index}.test`).catch(() => "late"));
  const before = performance.now();
  expect((await lookup("fast.test")).addresses).toEqual(["192.0.2.1", "192.0.2.2"]);
  expect(performance.now() - before).toBeLessThan(1_000);
  void Promise.all(slow);
});

test("what DNS does not know is asked of the system, when no servers are named", async () => {
  const lookup = createLookup({ servers: [], hostsFile: "/nonexistent" });
  expect((await lookup("localhost")).addresses).toContain("127.0.0.1");
});
