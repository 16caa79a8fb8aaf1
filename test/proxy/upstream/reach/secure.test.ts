import { describe, expect, test } from "vitest";
import type { TlsTrust } from "../../../../src/proxy/upstream/reach/secure.ts";
import { createAuthority, type Issued } from "../../../support/certificates.ts";
import { startSecureUpstream } from "../../../support/secure-upstream.ts";
import { PUBLIC_TRUST, startUpstreamClient } from "../../../support/upstream-client.ts";
import { startRawUpstream, startUpstream } from "../../../support/upstream.ts";

const AUTHORITY = createAuthority();
const GOOD = AUTHORITY.issue(["box.example", "localhost", "127.0.0.1"]);
const TRUSTED: TlsTrust = { ...PUBLIC_TRUST, ca: AUTHORITY.certificate };

/** What becomes of a request to `host` with this trust. */
async function ask(port: number, trust: TlsTrust, host = "localhost") {
  const { ask: send } = startUpstreamClient(`https://${host}:${port}`, { trust: () => trust });
  return await send();
}

describe("an instance behind TLS", () => {
  test("is spoken to when its certificate is signed by the authority and for the name", async () => {
    const port = await startSecureUpstream(GOOD);
    const { status, body } = await ask(port, TRUSTED);
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      host: `localhost:${port}`,
      servername: "localhost",
      alpnProtocol: "http/1.1",
    });
  });

  test("by address is compared with its certificate, and told no name", async () => {
    const port = await startSecureUpstream(GOOD);
    const { status, body } = await ask(port, TRUSTED, "127.0.0.1");
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ servername: false });
    const other = await startSecureUpstream(AUTHORITY.issue(["box.example"]));
    expect(await ask(other, TRUSTED, "127.0.0.1")).toMatchObject({ status: 0, error: "ERR_TLS_CERT_ALTNAME_INVALID" });
  });

  test("may be known by another name than the URL's", async () => {
    const port = await startSecureUpstream(AUTHORITY.issue(["box.example"]));
    const { body } = await ask(port, { ...TRUSTED, serverName: "box.example" }, "127.0.0.1");
    expect(JSON.parse(body)).toMatchObject({ host: `127.0.0.1:${port}`, servername: "box.example" });
    expect(await ask(port, { ...TRUSTED, serverName: "other.example" }, "127.0.0.1")).toMatchObject({
      error: "ERR_TLS_CERT_ALTNAME_INVALID",
    });
  });

  const REFUSED: Readonly<Record<string, [issued: Issued, trust: TlsTrust, code: string]>> = {
    "an authority that is not public": [GOOD, PUBLIC_TRUST, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    "another authority": [
      GOOD,
      { ...PUBLIC_TRUST, ca: createAuthority("Other").certificate },
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    ],
    "another authority of the same name": [
      GOOD,
      { ...PUBLIC_TRUST, ca: createAuthority().certificate },
      "CERT_SIGNATURE_FAILURE",
    ],
    "a certificate whose time is over": [
      AUTHORITY.issue(["localhost"], { expired: true }),
      TRUSTED,
      "CERT_HAS_EXPIRED",
    ],
    "a certificate for another name": [AUTHORITY.issue(["box.example"]), TRUSTED, "ERR_TLS_CERT_ALTNAME_INVALID"],
  };
  test.each(Object.entries(REFUSED))("with %s is sent nothing, unless any certificate will do", async (_, row) => {
    const [issued, trust, code] = row;
    let requests = 0;
    const port = await startSecureUpstream(issued, {}, (_req, res) => {
      requests += 1;
      res.end("ok");
    });
    expect(await ask(port, trust)).toMatchObject({ status: 0, error: code, events: ["connecting"] });
    expect(requests).toBe(0);
    expect(await ask(port, { ...trust, verify: false })).toMatchObject({ status: 200, body: "ok" });
  });

  test("that asks for a certificate gets the gateway's", async () => {
    const port = await startSecureUpstream(GOOD, { requestCert: true, ca: AUTHORITY.certificate });
    const own = AUTHORITY.issue(["gateway"]);
    expect(JSON.parse((await ask(port, { ...TRUSTED, ...own })).body)).toMatchObject({ authorized: true });
    const wanting = await startSecureUpstream(GOOD, { requestCert: true, ca: AUTHORITY.certificate });
    expect((await ask(wanting, TRUSTED)).error).not.toBe("");
  });

  test("is asked again over the same connection, and over a new one with the same session", async () => {
    const port = await startSecureUpstream(GOOD);
    const { ask: send } = startUpstreamClient(`https://localhost:${port}`, { trust: () => TRUSTED });
    expect((await send()).events).toContain("connecting");
    expect((await send()).events).not.toContain("connecting");
    expect(JSON.parse((await send({ fresh: true })).body)).toMatchObject({ resumed: true });
  });

  test("sends and takes large bodies whole", async () => {
    const port = await startSecureUpstream(GOOD, {}, (req, res) => req.pipe(res));
    const body = "0123456789abcdef".repeat(65_536);
    const { ask: send } = startUpstreamClient(`https://localhost:${port}`, { trust: () => TRUSTED });
    const answer = await send({ method: "POST", body });
    expect(answer.error).toBe("");
    expect(answer.body === body).toBe(true);
  });

  test("that speaks plain HTTP, or hangs up in the middle of the handshake, is unreachable", async () => {
    const plain = new URL(await startUpstream((_req, res) => res.end("plain")));
    expect(await ask(Number(plain.port), TRUSTED)).toMatchObject({ status: 0, events: ["connecting"] });
    const rude = new URL(await startRawUpstream((socket) => socket.once("data", () => socket.destroy())));
    expect(await ask(Number(rude.port), TRUSTED)).toMatchObject({ error: "ECONNRESET", events: ["connecting"] });
    const resetting = new URL(await startRawUpstream((socket) => socket.once("data", () => socket.resetAndDestroy())));
    expect(await ask(Number(resetting.port), TRUSTED)).toMatchObject({ status: 0, events: ["connecting"] });
  });
});
