import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { Agent, type RequestOptions, request } from "node:https";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createAuthority, type Issued } from "../../support/certificates.ts";
import { ClientAuthority, type Wanted } from "../../support/client-certificates.ts";
import { ACTOR, startTestGateway } from "../../support/gateway.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { startUpstream } from "../../support/upstream.ts";

const front = createAuthority();
const clients = await ClientAuthority.create();
const ADA = { names: [{ type: "url", value: "spiffe://corp/agent/ada" }] } as const satisfies Wanted;
const good = await clients.issue(ADA);

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function askingForCertificates(env: Record<string, string> = {}) {
  const folder = temporaryFolder();
  const files = {
    TLS_CERT_FILE: join(folder, "cert.pem"),
    TLS_KEY_FILE: join(folder, "key.pem"),
    TLS_CLIENT_CA_FILE: join(folder, "ca.pem"),
  };
  const { certificate, key } = front.issue(["localhost"]);
  writeFileSync(files.TLS_CERT_FILE, certificate);
  writeFileSync(files.TLS_KEY_FILE, key);
  writeFileSync(files.TLS_CLIENT_CA_FILE, clients.certificate);
  const asked = { TLS_CLIENT_AUTH: "optional", TLS_CLIENT_ROLES: "URI:spiffe://corp/agent/*=executor" };
  const gateway = await startTestGateway({ env: { ...files, ...asked, ...env } });
  const seen: string[] = [];
  const upstream = await startUpstream((req, res) => {
    seen.push(JSON.stringify([req.url, req.rawHeaders]));
    if (req.url === "/slow") res.write("first");
    else res.end("fine");
  });
  await gateway.addSandbox("box", upstream);
  const agentWith = (shown: Issued | null): Agent => {
    const own = shown === null ? {} : { cert: shown.certificate, key: shown.key };
    const agent = new Agent({ ca: front.certificate, keepAlive: true, ciphers: "DEFAULT@SECLEVEL=0", ...own });
    onTestFinished(() => agent.destroy());
    return agent;
  };
  const open = (agent: Agent, options: RequestOptions = {}) => {
    const where = { host: "127.0.0.1", servername: "localhost", port: gateway.port, path: "/s/box/" };
    return request({ ...where, ...options, agent });
  };
  const ask = (agent: Agent, options: RequestOptions = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      open(agent, options)
        .on("response", (res) => {
          let text = "";
          res
            .on("data", (chunk: Buffer) => (text += chunk.toString()))
            .on("end", () => {
              resolve({ status: res.statusCode ?? 0, text });
            });
        })
        .on("error", reject)
        .end();
    });
  return { gateway, files, folder, seen, agentWith, open, ask };
}

describe("a client's certificate", () => {
  test("says who calls: in the record, and nothing of it to the sandbox", async () => {
    const { gateway, agentWith, ask, seen } = await askingForCertificates();
    const agent = agentWith(good);
    expect(await ask(agent)).toEqual({ status: 200, text: "fine" });
    expect(await ask(agent, { method: "POST" })).toEqual({ status: 200, text: "fine" });
    const record = gateway.records().at(-1);
    expect(record).toMatchObject({ subject: "spiffe://corp/agent/ada", token_id: expect.stringMatching(/^crt_/) });
    expect(seen.join()).not.toMatch(/ada|crt_|certificate/i);
  });

  test("is not needed where it is optional, and is where it is required", async () => {
    const optional = await askingForCertificates();
    const authorization = await optional.gateway.authorization();
    expect((await optional.ask(optional.agentWith(null))).status).toBe(401);
    expect((await optional.ask(optional.agentWith(null), { headers: { authorization } })).status).toBe(200);
    const required = await askingForCertificates({ TLS_CLIENT_AUTH: "required" });
    await expect(required.ask(required.agentWith(null))).rejects.toThrow(expect.any(Error));
    expect((await required.ask(required.agentWith(good))).status).toBe(200);
  });

  test("beside a token has to speak for the same caller", async () => {
    const { gateway, agentWith, ask } = await askingForCertificates();
    const agent = agentWith(good);
    const own = { role: "executor", expiresInMs: 60_000, sandboxes: null, operations: null };
    for (const [subject, status] of [
      ["spiffe://corp/agent/ada", 200],
      ["spiffe://corp/agent/bob", 400],
    ] as const) {
      const { token } = await gateway.verbs.tokens.create(ACTOR, { ...own, subject });
      expect((await ask(agent, { headers: { authorization: `Bearer ${token}` } })).status).toBe(status);
    }
  });

  test("lets in and speaks for nobody where no role is named", async () => {
    const { gateway, agentWith, ask } = await askingForCertificates({
      TLS_CLIENT_AUTH: "required",
      TLS_CLIENT_ROLES: "",
    });
    const authorization = await gateway.authorization();
    expect((await ask(agentWith(good))).status).toBe(401);
    expect((await ask(agentWith(good), { headers: { authorization } })).status).toBe(200);
  });

  test("that a browser shows for a page of another site may do nothing", async () => {
    const { agentWith, ask } = await askingForCertificates();
    const headers = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    expect((await ask(agentWith(good), { method: "POST", headers })).status).toBe(403);
  });

  test("is good under an authority between, and revoked by its subject like all that speaks for it", async () => {
    const { gateway, agentWith, ask } = await askingForCertificates();
    const between = await clients.under({ isAuthority: true });
    const shown = await between.issue(ADA);
    expect((await ask(agentWith(shown))).status).toBe(200);
    await gateway.verbs.revocations.revokeSubject(ACTOR, {
      subject: "spiffe://corp/agent/ada",
      issuedBefore: Date.now(),
    });
    await gateway.feed.wake();
    expect((await ask(agentWith(shown))).status).toBe(401);
  });
});

const other = await ClientAuthority.create();
const stranger = await ClientAuthority.create("CN=client");
const notAllowed = await clients.under({ isAuthority: false });
const BAD: readonly (readonly [string, () => Promise<Issued>])[] = [
  ["has expired", () => clients.issue({ ...ADA, from: -2, to: -1 })],
  ["is not good yet", () => clients.issue({ ...ADA, from: 1, to: 2 })],
  ["another authority of the same name has signed", () => other.issue(ADA)],
  ["has signed itself", () => stranger.issue(ADA)],
  ["is for servers", () => clients.issue({ ...ADA, usage: "serverAuth" })],
  ["has a weak key", () => clients.issue({ ...ADA, weak: true })],
  ["somebody has signed who may not", () => notAllowed.issue(ADA)],
  ["has no name", () => clients.issue({})],
  ["has a name that stands for nobody", () => clients.issue({ names: [{ type: "dns", value: "ada" }] })],
  ["has two names in one", () => clients.issue({ names: [{ type: "dns", value: "a, URI:spiffe://corp/agent/ada" }] })],
  ["has an altered signature", () => clients.issue({ ...ADA, tampered: true })],
];

test("a certificate that is not good is refused, whatever is wrong with it, and a good one is not", async () => {
  const { gateway, agentWith, ask, seen } = await askingForCertificates();
  const letIn: string[] = [];
  for (const [what, make] of BAD) {
    const answer = await ask(agentWith(await make())).catch(() => undefined);
    if (answer !== undefined && answer.status !== 401) letIn.push(what);
  }
  expect(letIn).toEqual([]);
  expect(seen).toEqual([]);
  expect((await ask(agentWith(await clients.issue(ADA)))).status).toBe(200);
  expect(gateway.internalErrors).toEqual([]);
});

describe("when authorities or lists change", () => {
  test("what a revoked certificate has open ends, and what another one has goes on", async () => {
    const folder = temporaryFolder();
    const crl = join(folder, "crl.pem");
    writeFileSync(crl, await clients.list());
    const { gateway, agentWith, open, ask } = await askingForCertificates({ TLS_CLIENT_CRL_FILE: crl });
    const kept = await clients.issue({ names: [{ type: "url", value: "spiffe://corp/agent/bob" }] });
    const streams = await Promise.all(
      [good, kept].map(async (shown) => {
        const call = open(agentWith(shown), { path: "/s/box/slow" }).on("error", () => undefined);
        call.end();
        const [response] = await once(call, "response");
        await once(response, "data");
        return response.on("error", () => undefined);
      }),
    );
    const idle = agentWith(good);
    expect((await ask(idle)).status).toBe(200);
    const ended = new Promise((resolve) => streams[0].once("close", resolve));
    writeFileSync(crl, (await stranger.list()) + (await clients.list(good)));
    gateway.gateway.reconfigure(gateway.config);
    await ended;
    await expect(ask(idle)).rejects.toThrow(expect.any(Error));
    await expect(ask(agentWith(good))).rejects.toThrow(expect.any(Error));
    expect(streams[1].closed).toBe(false);
    const cut = gateway.records().filter((record) => JSON.stringify(record).includes("AUTH_013"));
    expect(cut).toMatchObject([{ subject: "spiffe://corp/agent/ada" }]);
  });

  test("what was signed by an authority that has gone ends", async () => {
    const { gateway, files, agentWith, ask } = await askingForCertificates();
    const agent = agentWith(good);
    expect((await ask(agent)).status).toBe(200);
    writeFileSync(files.TLS_CLIENT_CA_FILE, other.certificate);
    gateway.gateway.reconfigure(gateway.config);
    await expect(ask(agent)).rejects.toThrow(expect.any(Error));
  });

  test.each(["TLS_CLIENT_CA_FILE", "TLS_CLIENT_CRL_FILE"] as const)(
    "a %s that is none changes nothing",
    async (name) => {
      const crl = join(temporaryFolder(), "crl.pem");
      writeFileSync(crl, await clients.list());
      const { gateway, agentWith, ask } = await askingForCertificates({ TLS_CLIENT_CRL_FILE: crl });
      writeFileSync(gateway.config[name], "nonsense");
      expect(() => gateway.gateway.reconfigure(gateway.config)).toThrow(expect.objectContaining({ code: "GW_012" }));
      expect((await ask(agentWith(good))).status).toBe(200);
    },
  );
});
