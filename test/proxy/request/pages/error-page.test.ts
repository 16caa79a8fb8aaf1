import { createHash } from "node:crypto";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { GatewayError } from "../../../../src/errors.ts";
import { errorPage } from "../../../../src/proxy/request/pages/error-page.ts";
import { startTestGateway } from "../../../support/gateway.ts";

test("a browser that opens a page and may not is shown a page that says so, and everybody else the envelope", async () => {
  const gateway = await startTestGateway();
  const { url, port } = gateway;
  const page = { accept: "text/html,application/xhtml+xml" };
  const ask = async (headers: Record<string, string>) => {
    const request = get(`${url}/s/box/`, { headers, agent: false }); // fetch says itself what its mode is
    const [response] = (await once(request, "response")) as [IncomingMessage];
    const { statusCode: status, headers: fields } = response;
    return { status, type: fields["content-type"], fields, text: await text(response) };
  };
  const { status, type, fields, text: shown } = await ask({ ...page, "sec-fetch-mode": "navigate" });
  expect([status, type]).toEqual([401, "text/html; charset=utf-8"]);
  const policy = fields["content-security-policy"];
  expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'/);
  const style = /<style>(.*)<\/style>/.exec(shown)?.[1] ?? "";
  expect(policy).toContain(createHash("sha256").update(style).digest("base64"));
  expect(shown).toContain("sandboxgw link create");
  expect(shown).not.toMatch(/src=|href=|url\(|<script/);
  expect(fields["cache-control"]).toBe("no-store");

  const known = { ...page, authorization: await gateway.authorization() };
  expect(await ask(known)).toMatchObject({ status: 404, type: "text/html; charset=utf-8" });
  for (const headers of [{ ...page, "sec-fetch-mode": "cors" }, { accept: "*/*" }, {}]) {
    expect(await ask(headers as Record<string, string>)).toMatchObject({ status: 401, type: "application/json" });
  }

  const socket = new WebSocket(`ws://127.0.0.1:${port}/s/box`, { headers: { ...page, "sec-fetch-mode": "navigate" } });
  const [, refused] = (await once(socket, "unexpected-response")) as [unknown, { statusCode: number; headers: object }];
  expect([refused.statusCode, refused.headers]).toMatchObject([401, { "content-type": "application/json" }]);
});

/** What of a page is more than text. */
const marks = (html: string) => html.replaceAll(/[^<>"']/g, "");

test("nothing of what it says can be read as anything but text", () => {
  const odd = fc.string({ unit: fc.constantFrom("<", ">", "&", '"', "'", "a", "/", "=", " ", "-", "!") });
  fc.assert(
    fc.property(odd, odd, odd, (details, remediation, id) => {
      const page = errorPage(new GatewayError("ROUTE_001", { details, remediation }), id);
      const plain = errorPage(new GatewayError("ROUTE_001", { details: "d", remediation: "r" }), "i");
      expect(marks(page)).toBe(marks(details === "" ? plain.replace("<p>d</p>", "") : plain));
    }),
  );
});
