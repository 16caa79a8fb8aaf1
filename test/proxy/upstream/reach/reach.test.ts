import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ACTOR, startTestGateway, type TestGateway } from "../../../support/gateway.ts";
import { createAuthority } from "../../../support/certificates.ts";
import { type DnsAnswer, startDnsServer } from "../../../support/dns-server.ts";
import { eventually } from "../../../support/eventually.ts";
import { startSecureUpstream } from "../../../support/secure-upstream.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { startUpstream } from "../../../support/upstream.ts";

/** A gateway that asks a DNS server in which every name has the answer that `answers` has for it at the moment. */
async function gatewayWithDns(answers: Record<string, DnsAnswer>, env: Record<string, string> = {}) {
  const { server, asked } = await startDnsServer((name) => answers[name] ?? "unknown");
  const gateway = await startTestGateway({ env: { PROXY_DNS_SERVERS: server, MAX_RETRIES: "0", ...env } });
  const authorization = await gateway.authorization();
  const ask = (id: string) => fetch(`${gateway.url}/s/${id}/`, { headers: { authorization } });
  return { gateway, asked, ask };
}

async function outcome(response: Promise<Response>): Promise<string> {
  const answer = await response;
  const text = await answer.text();
  return answer.ok ? text : `${answer.status} ${/"code":"(\w+)"/.exec(text)?.[1]}`;
}

async function port(text: string): Promise<string> {
  return new URL(await startUpstream((_req, res) => res.end(text))).port;
}

describe("an instance by name", () => {
  test("is found, by its own name in Host, over the address that answers", async () => {
    const upstream = new URL(await startUpstream((req, res) => res.end(req.headers.host)));
    const { gateway, ask } = await gatewayWithDns({ "box.test": { addresses: ["127.0.0.2", "127.0.0.1"] } });
    await gateway.addSandbox("box", `http://box.test:${upstream.port}`);
    expect(await outcome(ask("box"))).toBe(`box.test:${upstream.port}`);
  });

  test("that is unknown cannot be reached, and nobody else is held up by one that is not answered for", async () => {
    const { gateway, ask } = await gatewayWithDns(
      { "silent.test": "silent", "box.test": { addresses: ["127.0.0.1"] } },
      { PROXY_CONNECT_TIMEOUT: "400ms" },
    );
    await gateway.addSandbox("unknown", "http://unknown.test");
    await gateway.addSandbox("silent", "http://silent.test");
    await gateway.addSandbox("box", `http://box.test:${await port("here")}`);
    expect(await outcome(ask("unknown"))).toBe("503 PROXY_001");
    const silent = outcome(ask("silent"));
    expect(await outcome(ask("box"))).toBe("here");
    expect(await silent).toBe("503 PROXY_001");
  });

  test("is followed to where it moves, also by a connection that is used all the time", async () => {
    const answers: Record<string, DnsAnswer> = { "box.test": { addresses: ["127.0.0.1"], ttl: 1 } };
    const upstream = await startUpstream((req, res) => res.end(req.socket.localAddress));
    const { gateway, ask } = await gatewayWithDns(answers);
    await gateway.addSandbox("box", upstream.replace("127.0.0.1", "box.test"));
    expect(await outcome(ask("box"))).toBe("127.0.0.1");
    answers["box.test"] = { addresses: ["127.0.0.5"], ttl: 1 };
    await eventually(
      "nobody listens where it has moved",
      async () => (await outcome(ask("box"))) === "503 PROXY_001",
      5_000,
    );
  });
});

describe("the target policy at connect", () => {
  test.each([
    ["169.254.169.254"],
    ["::ffff:a9fe:a9fe"],
    ["64:ff9b::a9fe:a9fe"],
    ["fe80::1"],
    ["0.0.0.0"],
    ["::"],
    ["127.0.0.66"],
  ])("refuses a name that leads to %s", async (address) => {
    const { gateway, ask } = await gatewayWithDns(
      { "box.test": { addresses: [address] } },
      { TARGET_DENY: "127.0.0.66" },
    );
    await gateway.addSandbox("box", "http://box.test:1");
    expect(await outcome(ask("box"))).toBe("502 PROXY_008");
    expect(gateway.internalErrors).toEqual([]);
  });

  test("connects only to the addresses of a name that are allowed", async () => {
    const { gateway, ask } = await gatewayWithDns({ "box.test": { addresses: ["169.254.169.254", "127.0.0.1"] } });
    await gateway.addSandbox("box", `http://box.test:${await port("allowed")}`);
    expect(await outcome(ask("box"))).toBe("allowed");
  });

  test("is asked of each answer of DNS, and what it was asked of is connected to (rebinding)", async () => {
    // Every look-up after the first would lead elsewhere: one that is checked and another that is used would differ.
    let answers = 0;
    const { server, asked } = await startDnsServer((_name, family) => {
      if (family === 6) return { addresses: [] };
      answers += 1;
      return { addresses: [answers === 1 ? "127.0.0.1" : "127.0.0.66"], ttl: 0 };
    });
    const gateway = await startTestGateway({
      env: { PROXY_DNS_SERVERS: server, TARGET_DENY: "127.0.0.66", MAX_RETRIES: "0", PROXY_KEEPALIVE_TIMEOUT: "1ms" },
    });
    const authorization = await gateway.authorization();
    await gateway.addSandbox("box", `http://rebind.test:${await port("checked")}`);
    const ask = () => outcome(fetch(`${gateway.url}/s/box/`, { headers: { authorization } }));
    expect(await ask()).toBe("checked");
    expect(asked.filter((question) => question.startsWith("A ")).length).toBe(1);
    await eventually(
      "the name is asked for again, and what it leads to now is refused",
      async () => {
        return (await ask()) === "502 PROXY_008";
      },
      5_000,
    );
  });

  test("holds for an instance that was added before it was made narrower", async () => {
    const { gateway, ask } = await gatewayWithDns({});
    await gateway.addSandbox("box", `http://127.0.0.1:${await port("was allowed")}`);
    expect(await outcome(ask("box"))).toBe("was allowed");
    gateway.gateway.reconfigure({ ...gateway.config, TARGET_DENY: ["127.0.0.0/8"] });
    expect(await outcome(ask("box"))).toBe("502 PROXY_008");
  });
});

describe("a sandbox behind TLS", () => {
  const authority = createAuthority();

  async function secureSandbox(env: Record<string, string> = {}) {
    const instance = await startSecureUpstream(authority.issue(["box.example"]));
    const gateway = await startTestGateway({ env });
    await gateway.addSandbox("box", `https://localhost:${instance}`);
    const authorization = await gateway.authorization();
    return { gateway, ask: () => outcome(fetch(`${gateway.url}/s/box/`, { headers: { authorization } })) };
  }

  test("is known by what its settings say, from the moment they change", async () => {
    const { gateway, ask } = await secureSandbox();
    expect(await ask()).toBe("502 PROXY_009");
    await set(gateway, { "tls-ca": authority.certificate });
    expect(await ask()).toBe("502 PROXY_009");
    await set(gateway, { "tls-server-name": "box.example" });
    expect(await ask()).toContain('"servername":"box.example"');
    await set(gateway, { "tls-server-name": "other.example" });
    expect(await ask()).toBe("502 PROXY_009");
    await set(gateway, { "tls-skip-verify": "true" });
    expect(await ask()).toContain('"servername":"other.example"');
    await set(gateway, { "tls-skip-verify": null });
    expect(await ask()).toBe("502 PROXY_009");
  });

  test("is known by the configuration's files where its settings say nothing", async () => {
    const folder = temporaryFolder();
    const own = authority.issue(["gateway"]);
    const files = { ca: authority.certificate, cert: own.certificate, key: own.key };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    const instance = await startSecureUpstream(authority.issue(["localhost"]), {
      requestCert: true,
      ca: authority.certificate,
    });
    const gateway = await startTestGateway({
      env: {
        PROXY_TLS_CA_FILE: join(folder, "ca"),
        PROXY_TLS_CERT_FILE: join(folder, "cert"),
        PROXY_TLS_KEY_FILE: join(folder, "key"),
      },
    });
    await gateway.addSandbox("box", `https://localhost:${instance}`);
    const headers = { authorization: await gateway.authorization() };
    expect(await outcome(fetch(`${gateway.url}/s/box/`, { headers }))).toContain('"authorized":true');
  });
});

async function set(gateway: TestGateway, settings: Record<string, string | null>): Promise<void> {
  await gateway.verbs.sandboxes.update(ACTOR, "box", { settings });
  await gateway.feed.wake();
}
