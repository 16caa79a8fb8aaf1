import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { AdminListener } from "../../src/daemon/admin-listener.ts";
import { cannotListen, DATA_LISTENER } from "../../src/daemon/cannot-listen.ts";
import { requireFreePort } from "../../src/daemon/require-free-port.ts";
import { ERRORS, GatewayError } from "../../src/errors.ts";
import { startInProcessDaemon } from "../support/in-process-daemon.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

async function takenPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const refusalOf = (attempt: Promise<unknown>): Promise<GatewayError> =>
  attempt.then(
    () => expect.unreachable("it listens"),
    (error: GatewayError) => error,
  );

test("port 0 is let through", async () => {
  await expect(requireFreePort("127.0.0.1", 0)).resolves.toBeUndefined();
});

test("a taken port is named, with the flag that chooses another", async () => {
  const { code, details, remediation } = await refusalOf(requireFreePort("127.0.0.1", await takenPort()));
  expect({ code, details }).toEqual({ code: "GW_010", details: expect.stringContaining("EADDRINUSE") });
  expect(remediation).toMatch(/another port with --port/);
});

test("a taken admin port names --admin-port, not --port", async () => {
  const admin = new AdminListener({
    allows: () => true,
    notReady: () => undefined,
    metrics: () => Promise.reject(new Error("unused")),
  });
  const { code, remediation } = await refusalOf(admin.listen({ host: "127.0.0.1", port: await takenPort() }));
  expect(code).toBe("GW_010");
  expect(remediation).toMatch(/ --admin-port /);
});

test.each([
  // An address for documentation (RFC 5737) and a name that never resolves (RFC 6761).
  ["203.0.113.5", /^Choose an address that this machine has with --host/],
  ["nowhere.invalid", /^Give an address.* with --host/],
])("an address that is not there is no reason to free a port: %s", async (host, expected) => {
  const { code, remediation } = await refusalOf(requireFreePort(host, 0));
  expect(code).toBe("GW_010");
  expect(remediation).toMatch(expected);
});

test("each reason has a remedy of its own, and an unknown one the general", () => {
  const codes = ["EADDRINUSE", "EACCES", "EADDRNOTAVAIL", "EAFNOSUPPORT", "ENOTFOUND", "EAI_AGAIN", "EIO"];
  const remedies = codes.map(
    (code) => cannotListen(Object.assign(new Error(code), { code }), DATA_LISTENER).remediation,
  );
  expect(new Set(remedies).size).toBe(codes.length);
  expect(remedies[1]).toContain("1024");
  expect(remedies.at(-1)).toBe(ERRORS.GW_010.remediation);
});

test.each(["GATEWAY_PORT", "ADMIN_PORT"])("a daemon whose %s is taken leaves no data folder behind", async (port) => {
  const dataDir = join(temporaryFolder(), "data");
  const env = { [port]: String(await takenPort()), DATA_DIR: dataDir };
  const refused = await refusalOf(startInProcessDaemon(env));
  expect(refused.remediation).toContain(port);
  expect(existsSync(dataDir)).toBe(false);
});
