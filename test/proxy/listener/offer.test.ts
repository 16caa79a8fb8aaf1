import { describe, expect, test } from "vitest";
import { startTestGateway } from "../../support/gateway.ts";
import { startOracle } from "../../support/oracle.ts";
import { RawConnection } from "../../support/raw-connection.ts";

/** A connection through which requests reach an oracle; `request` makes one that offers h2c. */
async function connected() {
  const gateway = await startTestGateway();
  const oracle = await startOracle();
  await gateway.addSandbox("box", oracle.url);
  const authorization = await gateway.authorization();
  const request = (path: string, ...fields: string[]): string =>
    [`POST /s/box${path} HTTP/1.1`, "Host: x", `Authorization: ${authorization}`, ...fields, "", ""].join("\r\n");
  const offer = (path: string, ...fields: string[]): string =>
    request(path, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk", ...fields);
  const connection = await RawConnection.open(gateway.port);
  const seen = () => oracle.requests.map(({ target, body }) => `${target} ${body}`.trim());
  return { oracle, request, offer, connection, seen };
}

const CHUNKS = "5\r\nhello\r\n0\r\n\r\n";

describe("behind a request that offers to go on in another protocol", () => {
  test.each([
    ["no body", [], ""],
    ["a body", ["Content-Length: 5"], "hello"],
  ])("and has %s, the next ones are served on the same connection", async (_what, fields, body) => {
    const { connection, oracle, offer, request, seen } = await connected();
    for (const path of ["/1", "/2"]) {
      connection.send(offer(path, ...fields) + body);
      await connection.received(new RegExp(`(?:\r\n\r\nok[^]*){${path.slice(1)}}`));
    }
    connection.send(offer("/3", ...fields));
    connection.send(body);
    await connection.received(/(?:\r\n\r\nok[^]*){3}/);
    connection.send(request("/4", "Connection: close"));
    await connection.end();
    expect(connection.statuses).toEqual([200, 200, 200, 200]);
    expect(seen()).toEqual([`/1 ${body}`.trim(), `/2 ${body}`.trim(), `/3 ${body}`.trim(), "/4"]);
    expect(oracle.problems).toEqual([]);
  });

  test.each([
    ["no body", [], "", ""],
    ["a body", ["Content-Length: 5"], "hello", ""],
    ["a body that comes later", ["Content-Length: 5"], "", "hello"],
    ["a body that comes in pieces", ["Content-Length: 5"], "hel", "lo"],
    ["chunks", ["Transfer-Encoding: chunked"], CHUNKS, ""],
    ["chunks that come later", ["Transfer-Encoding: chunked"], "", CHUNKS],
  ])(
    "and has %s, one sent without waiting is not lost in silence: the connection ends",
    async (_what, fields, early, late) => {
      for (const behind of ["whole", "half"]) {
        const { connection, oracle, offer, request, seen } = await connected();
        const next = request("/next");
        const sent = behind === "whole" ? next : next.slice(0, next.length / 2);
        if (late === "") connection.send(offer("/1", ...fields) + early + sent);
        else {
          connection.send(offer("/1", ...fields) + early);
          await new Promise((resolve) => setImmediate(resolve));
          connection.send(late + sent);
        }
        await connection.end();
        expect(connection.statuses).toEqual([200]);
        expect(connection.text).toMatch(/\r\nconnection: close\r\n/i);
        expect(seen()).toEqual([early + late === "" ? "/1" : "/1 hello"]);
        expect(oracle.problems).toEqual([]);
      }
    },
  );

  test("and stands behind another itself, nothing is lost either", async () => {
    const { connection, offer, request, seen } = await connected();
    connection.send(request("/1") + offer("/2") + request("/3"));
    await connection.end();
    expect(connection.statuses).toEqual([200, 200]);
    expect(seen()).toEqual(["/1", "/2"]);
  });
});
