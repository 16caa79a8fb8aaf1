import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../../../src/config/load.ts";
import { exposures } from "../../../src/daemon/front/front.ts";
import { createAuthority } from "../../support/certificates.ts";
import { eventually } from "../../support/eventually.ts";
import { startInProcessDaemon } from "../../support/in-process-daemon.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const configOf = (env: Record<string, string>) => loadConfig({ flags: {}, env, cwd: "/" }).config;

describe("what others could listen in on", () => {
  test.each([
    ["127.0.0.1", {}, 0],
    ["127.8.0.1", {}, 0],
    ["::1", {}, 0],
    ["localhost", {}, 0],
    ["0.0.0.0", {}, 1],
    ["::", {}, 1],
    ["gw.example", {}, 1],
    ["0.0.0.0", { TRUSTED_PROXIES: "10.0.0.0/8" }, 0],
    ["0.0.0.0", { TLS_CERT_FILE: "c.pem", TLS_KEY_FILE: "k.pem" }, 0],
    ["127.0.0.1", { HTTP_REDIRECT_PORT: "8081" }, 1],
  ])("on %s with %j is said in %i sentences", (host, env, count) => {
    expect(exposures(configOf({ GATEWAY_HOST: host, ...env }), undefined)).toHaveLength(count);
  });
});

test("a certificate whose files change is in force without anybody asking, and one that is broken is not", async () => {
  const authority = createAuthority();
  const folder = temporaryFolder();
  const env = { TLS_CERT_FILE: join(folder, "cert.pem"), TLS_KEY_FILE: join(folder, "key.pem") };
  const put = (certificate: string, key: string): void => {
    writeFileSync(env.TLS_CERT_FILE, certificate);
    writeFileSync(env.TLS_KEY_FILE, key);
  };
  const [one, two] = [authority.issue(["localhost"]), authority.issue(["localhost"])];
  put(one.certificate, one.key);
  const { daemon, lines } = await startInProcessDaemon(env);
  const serial = async (): Promise<string> => {
    const socket = connect({
      host: "127.0.0.1",
      port: daemon.port,
      servername: "localhost",
      ca: authority.certificate,
    });
    await once(socket, "secureConnect");
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const before = await serial();
  put(two.certificate, one.key);
  await eventually("it is said", () => lines.some(({ message }) => message.includes("cannot be used")));
  expect(await serial()).toBe(before);
  put(two.certificate, two.key);
  await eventually("it is in force", async () => (await serial()) !== before);
});
