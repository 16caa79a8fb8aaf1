import { describe, expect, test } from "vitest";
import { parseInstanceUrl } from "../../src/domain/sandbox.ts";
import { checkTarget, targetPolicy, targetRefusal } from "../../src/domain/target-policy.ts";

const OPEN = targetPolicy([], []);

const NEVER: Readonly<Record<string, readonly string[]>> = {
  "metadata service": [
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd00:0ec2:0:0:0:0:0:254",
    "FD00:EC2::254",
    "fd20:ce::254",
    "fd00:42::42",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "0:0:0:0:0:ffff:a9fe:a9fe",
    "::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:fffe::6464:64c8",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::",
    "2001:0:102:304:0:0:5601:5601",
    "2001:db8::5efe:169.254.169.254",
    "2001:db8::200:5efe:169.254.169.254",
  ],
  "link-local": ["169.254.0.1", "169.254.255.255", "fe80::1", "febf::1", "::ffff:169.254.1.1", "2002:a9fe:101::"],
  "zone index": ["fe80::1%eth0", "::1%lo", "fd00::1%1"],
  "no host's address": ["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0", "64:ff9b::"],
  multicast: ["224.0.0.1", "239.255.255.250", "ff02::1", "::ffff:224.0.0.1"],
  reserved: ["240.0.0.1", "255.255.255.255"],
  "not an IP address": [
    "",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "127.0.0.1 ",
    "[::1]",
    "169.254.169.254:80",
    "１６９.254.169.254",
    "1e3.0.0.1",
    "::ffff:169.254.169.254.1",
  ],
};

describe("what nobody may connect to, in every spelling", () => {
  const rows = Object.entries(NEVER).flatMap(([because, addresses]) =>
    addresses.map((each) => [each, because] as const),
  );
  test.each(rows)("%s: %s", (address, because) => {
    const all = targetPolicy(["0.0.0.0/0", "::/0"], []);
    expect(targetRefusal(address, OPEN, "administrator")).toContain(because);
    expect(targetRefusal(address, all, "administrator")).toContain(because);
    expect(targetRefusal(address, all, "stranger")).toContain(because);
  });
});

const PRIVATE = [
  "127.0.0.1",
  "127.255.0.3",
  "10.0.0.1",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "100.64.0.1",
  "198.18.0.1",
  "::1",
  "fd12:3456::1",
  "fec0::1",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "::127.0.0.1",
  "64:ff9b::10.0.0.1",
  "2002:7f00:1::",
  "2002:c0a8:101::1",
];

test.each(PRIVATE)("%s is for an administrator, not for a stranger", (address) => {
  expect(targetRefusal(address, OPEN, "administrator")).toBeUndefined();
  expect(targetRefusal(address, OPEN, "stranger")).toBe("is private or loopback");
});

test.each([
  "8.8.8.8",
  "172.32.0.1",
  "172.15.0.1",
  "100.128.0.1",
  "169.253.0.1",
  "2606:4700::1111",
  "64:ff9b::8.8.8.8",
  "::ffff:8.8.8.8",
])("%s is for everybody", (address) => {
  expect(targetRefusal(address, OPEN, "administrator")).toBeUndefined();
  expect(targetRefusal(address, OPEN, "stranger")).toBeUndefined();
});

describe("lists", () => {
  test("TARGET_ALLOW is all that is allowed, for administrators and strangers", () => {
    const policy = targetPolicy(["10.1.0.0/16", "fd00:1::/32"], []);
    for (const origin of ["administrator", "stranger"] as const) {
      expect(targetRefusal("10.1.2.3", policy, origin)).toBeUndefined();
      expect(targetRefusal("fd00:1::5", policy, origin)).toBeUndefined();
      expect(targetRefusal("10.2.0.1", policy, origin)).toBe("is not in TARGET_ALLOW");
      expect(targetRefusal("8.8.8.8", policy, origin)).toBe("is not in TARGET_ALLOW");
    }
  });

  test("TARGET_DENY goes before TARGET_ALLOW", () => {
    const policy = targetPolicy(["10.0.0.0/8"], ["10.9.0.0/16"]);
    expect(targetRefusal("10.8.0.1", policy, "administrator")).toBeUndefined();
    expect(targetRefusal("10.9.0.1", policy, "administrator")).toBe("is denied by TARGET_DENY");
  });

  test.each(["::ffff:10.9.0.1", "64:ff9b::10.9.0.1", "2002:0a09:1::"])(
    "%s is denied with the IPv4 address in it",
    (address) => {
      expect(targetRefusal(address, targetPolicy([], ["10.9.0.0/16"]), "administrator")).toBe(
        "is denied by TARGET_DENY",
      );
    },
  );

  test("an IPv6 network that is allowed does not let through the IPv4 address behind it", () => {
    expect(targetRefusal("64:ff9b::10.0.0.1", targetPolicy(["64:ff9b::/96"], []), "stranger")).toBe(
      "is not in TARGET_ALLOW",
    );
  });
});

describe("registered", () => {
  test.each([
    "http://169.254.169.254",
    "http://169.254.169.254.",
    "http://2852039166",
    "http://0xa9fea9fe",
    "http://0xa9.0xfe.0xa9.0xfe",
    "http://0251.0376.0251.0376",
    "http://169.254.43518",
    "http://１６９。２５４。１６９。２５４",
    "http://[::ffff:169.254.169.254]:80",
    "http://[64:ff9b::a9fe:a9fe]",
    "http://metadata.google.internal",
    "http://METADATA.google.internal.",
    "http://instance-data",
  ])("%s is refused as a metadata service", (text) => {
    expect(() => checkTarget(parseInstanceUrl(text), OPEN, "administrator")).toThrow(
      expect.objectContaining({ code: "VAL_011", details: expect.stringContaining("metadata service") }),
    );
  });

  test.each(["http://localhost:1", "http://a.localhost.", "http://127.1", "http://0x7f.1", "http://2130706433"])(
    "%s is this machine: for an administrator",
    (text) => {
      const url = parseInstanceUrl(text);
      expect(() => checkTarget(url, OPEN, "administrator")).not.toThrow();
      expect(() => checkTarget(url, OPEN, "stranger")).toThrow(expect.objectContaining({ code: "VAL_011" }));
    },
  );

  test("a name is left to be checked when its addresses are known", () => {
    const policy = targetPolicy(["10.0.0.0/8"], []);
    expect(() => checkTarget("http://sandbox.internal:8000", policy, "stranger")).not.toThrow();
  });
});
