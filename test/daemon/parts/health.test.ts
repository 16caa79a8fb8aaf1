import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { ACTOR } from "../../support/gateway.ts";
import { startInProcessDaemon } from "../../support/in-process-daemon.ts";

/** An instance that says its name, and is as well as it is told to be. */
async function startPatient(name: string) {
  const patient = { url: "", isWell: true, served: 0 };
  const server: Server = createServer((req, res) => {
    if (req.url === "/health") return void res.writeHead(patient.isWell ? 200 : 500).end();
    patient.served += 1;
    res.end(name);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  patient.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return patient;
}

const ENV = { HEALTH_CHECK: "http", HEALTH_CHECK_INTERVAL: "100ms", RATE_LIMIT_ENABLED: "false" };

test("instances that are down get nothing until they are well, all threads agree, and everybody is told", async () => {
  const env: Record<string, string> = { ...ENV };
  const { url, admin, daemon, dataDir, verbs, token, addSandbox, lines, logged } = await startInProcessDaemon(env);
  const patients = await Promise.all(["a", "b", "c"].map(startPatient));
  await addSandbox("box", ...patients.map((patient) => patient.url));
  const { authorization } = await token();
  const call = () => fetch(`${url}/s/box/`, { headers: { authorization } });
  const served = async (): Promise<string> => {
    const names = new Set<string>();
    for (let time = 0; time < 12; time++) {
      const answer = await call();
      names.add(answer.ok ? await answer.text() : `${answer.status}`);
    }
    return [...names].toSorted().join("");
  };
  const setWell = (...well: boolean[]): void => {
    for (const [index, patient] of patients.entries()) patient.isWell = well[index] ?? false;
  };
  const downs = async () => Object.values(await verbs.status.health(ACTOR));

  expect(await served()).toBe("abc");
  setWell(false, true, true);
  await eventually("a gets nothing", async () => (await served()) === "bc");
  await eventually("it is told", async () => (await downs()).length === 1);
  expect(await downs()).toMatchObject([{ sandbox_id: "box", problem: "status 500" }]);
  await eventually("the log tells it", () => logged("an instance is down, its health check says"));
  const page = await (await fetch(`${admin}/metrics`)).text();
  expect(page).toContain("sandboxgw_instances_down 1\n");
  expect(page).toMatch(/sandboxgw_instance_up\{sandbox="box",instance="\w+"\} 0\n/);
  expect(await (await fetch(`${url}/health/sandboxes`)).json()).toMatchObject({ instances_down: 1, available: 1 });

  setWell(false, false, true);
  await eventually("it is panic", () => logged("fewer instances are well than must be: all are used"));
  expect(await served()).toBe("abc");
  setWell(false, false, false);
  await eventually("nothing is tried any more", async () => (await call()).status === 503);
  const refusal = await call();
  expect(refusal.headers.get("retry-after")).toBe("1");
  expect(await refusal.json()).toMatchObject({ error: { code: "PROXY_012", executed: "no", retryable: true } });
  await eventually("the log tells that too", () => logged("all instances of a sandbox are down"));
  const before = patients.map((patient) => patient.served);
  await served();
  expect(patients.map((patient) => patient.served)).toEqual(before);
  await verbs.sandboxes.update(ACTOR, "box", { settings: { "fail-open": "true" } });
  await eventually("all are tried", async () => (await served()) === "abc");

  await verbs.sandboxes.update(ACTOR, "box", { settings: { "fail-open": null } });
  await eventually("nothing is tried", async () => (await call()).status === 503);
  await daemon.close(0);
  const again = await startInProcessDaemon({ ...ENV, HEALTH_CHECK_INTERVAL: "1h", DATA_DIR: dataDir });
  expect((await fetch(`${again.url}/s/box/`, { headers: { authorization } })).status).toBe(503);
  expect(lines.filter(({ message }) => message === "all instances of a sandbox are down").length).toBe(1);
  expect(logged("an instance is well, its health check says")).toBe(false); // they were so from the start
});

test("a reload turns checks on and off", async () => {
  const env: Record<string, string> = { ...ENV, HEALTH_CHECK: "off" };
  const { url, daemon, token, addSandbox } = await startInProcessDaemon(env);
  const patient = await startPatient("a");
  patient.isWell = false;
  await addSandbox("box", patient.url);
  const { authorization } = await token();
  const status = async () => (await fetch(`${url}/s/box/`, { headers: { authorization } })).status;
  expect(await status()).toBe(200);
  env["HEALTH_CHECK"] = "http";
  await daemon.reload();
  await eventually("it is found", async () => (await status()) === 503);
  env["HEALTH_CHECK"] = "off";
  await daemon.reload();
  await eventually("it is tried again", async () => (await status()) === 200);
});
