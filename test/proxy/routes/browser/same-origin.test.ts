import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GatewayError } from "../../../../src/errors.ts";
import { checkSameOrigin } from "../../../../src/proxy/routes/browser/same-origin.ts";
import type { Exchange } from "../../../../src/proxy/request/exchange.ts";
import { SOMEBODY } from "../../../support/principal.ts";
import type { Head } from "../../../../src/proxy/request/head.ts";

interface Asked {
  readonly method?: string;
  readonly scheme?: "http" | "https";
  readonly host?: string;
  readonly upgrade?: boolean;
  readonly fields?: Readonly<Record<string, string>>;
}

function isAllowed({ method = "GET", scheme = "https", host = "gw.example", upgrade = false, fields = {} }: Asked) {
  const exchange = { method, scheme, offer: upgrade ? {} : null, field: (name: string) => fields[name] };
  try {
    checkSameOrigin(exchange as unknown as Exchange, { host } as Head, SOMEBODY);
    return true;
  } catch (error) {
    if (error instanceof GatewayError && error.code === "AUTH_011") return false;
    throw error;
  }
}

const NAVIGATION = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
const UNSAFE = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "MERGE"];

describe("with a cookie alone", () => {
  test("no method that changes something, and no upgrade, goes without the browser's word that a page of this origin asks", () => {
    const others = ["cross-site", "same-site", "none", "", "Same-Origin", "same-origin, same-origin"];
    const origins = [
      "null",
      "https://evil.example",
      "http://gw.example",
      "https://gw.example.evil.example",
      "gw.example",
    ];
    const fields = fc.record(
      {
        "sec-fetch-site": fc.constantFrom(...others),
        "sec-fetch-mode": fc.constantFrom("navigate", "cors", "no-cors", "websocket"),
        "sec-fetch-dest": fc.constantFrom("document", "empty", "iframe"),
        origin: fc.constantFrom(...origins),
        referer: fc.constantFrom("https://gw.example/s/box/", "https://evil.example/"),
        accept: fc.constantFrom("text/html", "*/*"),
      },
      { requiredKeys: [] },
    );
    const asked = fc.oneof(
      fc.record({ method: fc.constantFrom(...UNSAFE), fields }),
      fc.record({ method: fc.constant("GET"), upgrade: fc.constant(true), fields }),
    );
    fc.assert(
      fc.property(asked, (one) => {
        expect(isAllowed(one)).toBe(false);
      }),
    );
  });

  test.each<[string, Asked]>([
    ["a page of this origin, as Sec-Fetch-Site says", { fields: { "sec-fetch-site": "same-origin", origin: "null" } }],
    ["a page of this origin, as Origin says", { fields: { origin: "https://gw.example" } }],
    ["Origin with the default port", { fields: { origin: "https://GW.example" }, host: "gw.example:443" }],
    ["a port of its own", { fields: { origin: "http://localhost:8080" }, host: "localhost:8080", scheme: "http" }],
    ["TLS that has ended before the gateway", { fields: { origin: "https://gw.example" }, scheme: "http" }],
  ])("%s is enough for all of them", (_, asked) => {
    for (const method of UNSAFE) expect(isAllowed({ ...asked, method })).toBe(true);
    expect(isAllowed({ ...asked, upgrade: true })).toBe(true);
  });

  test.each<[string, boolean, Asked]>([
    ["a link on a page of another site", true, { fields: { "sec-fetch-site": "cross-site", ...NAVIGATION } }],
    ["an address that was typed in", true, { fields: { "sec-fetch-site": "none", ...NAVIGATION } }],
    ["a page of a browser that says nothing", true, {}],
    ["its own picture, on such a page", true, { fields: { referer: "https://gw.example/s/box/" } }],
    ["a link on another page, there", true, { fields: { referer: "https://other.example/", accept: "text/html,*/*" } }],
    [
      "a picture on a page of another site",
      false,
      { fields: { "sec-fetch-site": "cross-site", "sec-fetch-dest": "image" } },
    ],
    [
      "a frame within another site's page",
      false,
      {
        fields: { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" },
      },
    ],
    [
      "a script for a neighbour's host",
      false,
      { fields: { "sec-fetch-site": "same-site", "sec-fetch-dest": "script" } },
    ],
    ["what another origin fetches", false, { fields: { origin: "https://box.gw.example" } }],
    ["another page's picture, where the browser says little", false, { fields: { referer: "https://other.example/" } }],
  ])("%s is asked for: %s", (_, allowed, asked) => {
    for (const method of ["GET", "HEAD"]) expect(isAllowed({ ...asked, method })).toBe(allowed);
  });
});
