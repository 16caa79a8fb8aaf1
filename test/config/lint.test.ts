import * as fc from "fast-check";
import { expect, test } from "vitest";
import { exampleIni } from "../../src/config/example.ts";
import { formatFinding, lintIni } from "../../src/config/lint.ts";
import { KEY_NAMES, SCHEMA } from "../../src/config/schema.ts";

const told = (text: string) => lintIni(text, "x.ini").map(formatFinding);

test.each([
  ["GATEWAY_PROT = 8080", "x.ini:1: GATEWAY_PROT: unknown key (did you mean GATEWAY_PORT?)"],
  ["gateway_port = 8080", "x.ini:1: gateway_port: unknown key (did you mean GATEWAY_PORT?)"],
  ["export GATEWAY_PORT=8080", "x.ini:1: export GATEWAY_PORT: unknown key (did you mean GATEWAY_PORT?)"],
  ["SANDBOXGW_GATEWAY_PORT=1", "x.ini:1: SANDBOXGW_GATEWAY_PORT: unknown key (did you mean GATEWAY_PORT?)"],
  ["TOKEN_SECRET_FIEL = /x", "x.ini:1: TOKEN_SECRET_FIEL: unknown key (did you mean TOKEN_SECRET_FILE?)"],
  ["COLOUR = red", "x.ini:1: COLOUR: unknown key"],
  ["c29tZSBwYXJ0IG9mIGEga2V5 ==", "x.ini:1: unknown key"],
  [
    "GATEWAY.PORT = 8080",
    "x.ini:1: GATEWAY.PORT: unknown key: a dot makes a section of what stands before it (did you mean GATEWAY_PORT?)",
  ],
  [
    "IP_DENY_LIST[] = 10.0.0.0/8",
    "x.ini:1: IP_DENY_LIST[]: a list is one line, its entries separated by commas (did you mean IP_DENY_LIST?)",
  ],
  [
    "IP_DENY_LIST = 10.0.0.0/8;192.168.0.0/16",
    "x.ini:1: IP_DENY_LIST: ; starts a comment and cuts the value: put the value in double quotes",
  ],
  ["GATEWAY_PORT = http", 'x.ini:1: GATEWAY_PORT: "http" is not a whole number'],
  [
    "PROXY_TIMEOUT = 30x",
    'x.ini:1: PROXY_TIMEOUT: "30x" is not a duration (seconds, or with a unit as in 250ms 30s 5m 1h 7d)',
  ],
  ["TOKEN_SECRET = short", "x.ini:1: TOKEN_SECRET: has 5 bytes, needs at least 32"],
  ["GATEWAY_PORT", "x.ini:1: expected KEY = value"],
  ["[gateway]\r\n\r\nGATEWAY_PORT = x\r\n", 'x.ini:3: GATEWAY_PORT: "x" is not a whole number'],
  ["\uFEFFGATEWAY_PORT = x", 'x.ini:1: GATEWAY_PORT: "x" is not a whole number'],
  ["G\0A\0T\0E\0", "x.ini:1: not a text in UTF-8"],
])("%j: %s", (text, finding) => {
  expect(told(text)).toEqual([finding]);
  expect(lintIni(text, "x.ini")[0]?.severity).toBe("error");
});

test("a key set twice is a warning that names the line that no longer counts, in whatever section", () => {
  const [finding, ...others] = lintIni("[gateway]\nGATEWAY_PORT=1\n[proxy]\nGATEWAY_PORT=2", "x.ini");
  expect(others).toEqual([]);
  expect(finding).toMatchObject({ line: 4, key: "GATEWAY_PORT", kind: "duplicate", severity: "warning" });
  expect(finding?.reason).toBe("set again: line 2 no longer counts");
});

test("a placeholder instead of a secret is a warning", () => {
  expect(lintIni("TOKEN_SECRET=<secret-key>", "x.ini")).toMatchObject([{ kind: "placeholder", severity: "warning" }]);
});

test("a comment after a secret is a warning, for it may have been part of it", () => {
  const text = "TOKEN_SECRET = a-secret-of-more-than-thirty-two-bytes #production";
  expect(lintIni(text, "x.ini")).toMatchObject([{ kind: "syntax", severity: "warning" }]);
});

test("a key in another section, a trailing comment and a file of a secret are fine", () => {
  expect(told("[proxy]\nGATEWAY_PORT = 9000 ; ours\nTOKEN_SECRET_FILE = /run/secrets/token\nLOG_LEVEL =")).toEqual([]);
});

test("the generated example is clean", () => {
  expect(told(exampleIni())).toEqual([]);
});

test("every key that is one letter short is recognised", () => {
  for (const name of KEY_NAMES) {
    expect(lintIni(`${name.slice(0, -1)} = ${SCHEMA[name].initial}`, "x.ini")[0]?.suggestion).toBe(name);
  }
});

test("a secret is in no finding, however the file mangles it", () => {
  const alphabet = fc.constantFrom(..."abcXYZ0189+/=;#\"'\\.[]<> ".split(""));
  const secret = fc.string({ unit: alphabet, minLength: 8, maxLength: 64 });
  const frame = fc.constantFrom(
    (value: string) => `TOKEN_SECRET=${value}`,
    (value: string) => `TOKEN_SECRET = "${value}`,
    (value: string) => `TOKEN_SECRT = ${value}`,
    (value: string) => `TOKEN_SECRET: ${value}`,
    (value: string) => `TOKEN_SECRET[] = ${value}`,
    (value: string) => `TOKEN_SECRET = ab\\\n${value.repeat(6)}=`,
  );
  fc.assert(
    fc.property(secret, frame, (value, put) => {
      const core = `Needle${value}`;
      for (const line of told(put(core))) expect(line).not.toContain("Needle");
    }),
  );
});
