import { X509Certificate, createPrivateKey } from "node:crypto";
import { once } from "node:events";
import { readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import { expect, it, onTestFinished } from "vitest";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { run } from "../run.ts";

function fresh() {
  const folder = temporaryFolder();
  const cert = (line = "") => run(["cert", "create", ...line.split(" ").filter(Boolean)], { folder });
  const read = (file: string): string => readFileSync(join(folder, file), "utf8");
  return { folder, cert, read };
}

it("makes a certificate for this machine and the names that are given, and a key that nobody else reads", async () => {
  const { folder, cert, read } = fresh();
  const { code, stdout } = await cert("--host GW.test --host 192.0.2.7 --expires 30d");
  expect(code).toBe(0);
  expect(stdout).toContain("next: TLS_CERT_FILE=cert.pem TLS_KEY_FILE=key.pem sandboxgw serve");
  const made = new X509Certificate(read("cert.pem"));
  for (const name of ["localhost", "gw.test"]) expect(made.checkHost(name)).toBe(name);
  for (const address of ["127.0.0.1", "::1", "192.0.2.7"]) expect(made.checkIP(address)).toBe(address);
  expect(made.checkHost("other.test")).toBeUndefined();
  expect(made.ca).toBe(false);
  expect(made.checkPrivateKey(createPrivateKey(read("key.pem")))).toBe(true);
  expect(made.validToDate.getTime() - Date.now()).toBeCloseTo(30 * 86_400_000, -4);
  expect(statSync(join(folder, "key.pem")).mode & 0o777).toBe(0o600);
});

it("makes one that a client which trusts it can connect to", async () => {
  const { cert, read } = fresh();
  await cert();
  const server = createServer({ cert: read("cert.pem"), key: read("key.pem") }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connect({ host: "127.0.0.1", port, ca: read("cert.pem") });
  await once(socket, "secureConnect");
  expect(socket.authorized).toBe(true);
  socket.destroy();
});

it("replaces files only when it is told to, and never what a link leads to", async () => {
  const { folder, cert, read } = fresh();
  writeFileSync(join(folder, "precious"), "text");
  symlinkSync(join(folder, "precious"), join(folder, "key.pem"));
  const refused = await cert();
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("--force") });
  expect((await cert("--force")).code).toBe(0);
  expect(read("precious")).toBe("text");
  expect(read("key.pem")).toContain("PRIVATE KEY");
});

it.each([
  ["--host a_b", "--host"],
  ["--expires 10y", "--expires"],
  ["--cert one --key one", "same file"],
])("says what is wrong with %s", async (line, said) => {
  expect(await fresh().cert(line)).toMatchObject({ code: 2, stderr: expect.stringContaining(said) });
});
