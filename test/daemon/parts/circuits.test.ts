import { expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { ACTOR } from "../../support/gateway.ts";
import { startInProcessDaemon } from "../../support/in-process-daemon.ts";
import { startUpstream } from "../../support/upstream.ts";

const ENV = {
  CIRCUIT_FAILURE_THRESHOLD: "2",
  CIRCUIT_OPEN_DURATION: "1h",
  CIRCUIT_OPEN_MAX: "1h",
  GATEWAY_WORKERS: "2",
};

test("an instance that failed is left alone by all threads, after a restart too, and is back once its circuit is closed", async () => {
  const { daemon, dataDir, url, verbs, token, addSandbox, logged } = await startInProcessDaemon(ENV);
  let seen = 0;
  let fails = true;
  const bad = await startUpstream((req, res) => {
    seen += 1;
    if (fails) req.socket.destroy();
    else res.end("fine");
  });
  const good = await startUpstream((_req, res) => void res.end("fine"));
  await addSandbox("box", bad, good);
  const { authorization } = await token();
  const call = (at: string) => fetch(`${at}/s/box/`, { headers: { authorization } });
  for (let time = 0; time < 12; time++) expect((await call(url)).status).toBe(200);
  const circuits = () => verbs.circuits.list(ACTOR);
  await eventually("it is told", async () => (await circuits()).some(({ circuit }) => circuit?.state === "open"));
  const before = seen;
  expect(before).toBe(2);
  await eventually("the log tells it", () => logged("an instance is left alone: it fails"));
  await daemon.close(0);

  const again = await startInProcessDaemon({ ...ENV, DATA_DIR: dataDir });
  for (let time = 0; time < 12; time++) expect((await call(again.url)).status).toBe(200);
  expect(seen).toBe(before);
  expect(again.logged("an instance is left alone: it fails")).toBe(true);
  fails = false;
  const [first] = await again.verbs.circuits.list(ACTOR);
  await again.verbs.circuits.close(ACTOR, first?.instance.id ?? "", { forget: true });
  await eventually("it is tried again", async () => (await call(again.url)).status === 200 && seen > before);
  await eventually("the log tells that too", () => again.logged("an instance is used again"));
});

test("a circuit that was opened by hand lets nothing pass, and the only instance's neither", async () => {
  const { url, verbs, token, addSandbox } = await startInProcessDaemon(ENV);
  await addSandbox("box", await startUpstream((_req, res) => void res.end("fine")));
  const { authorization } = await token();
  const status = async () => (await fetch(`${url}/s/box/`, { headers: { authorization } })).status;
  const [only] = await verbs.circuits.list(ACTOR);
  const id = only?.instance.id ?? "";
  await verbs.circuits.open(ACTOR, id);
  await eventually("nothing passes", async () => (await status()) === 503);
  await verbs.circuits.close(ACTOR, id, { forget: false });
  await eventually("all passes", async () => (await status()) === 200);
  expect((await verbs.circuits.find(ACTOR, id)).instance.tripped).toBe(false);
});

test("how often an instance was left alone is known after a restart, though it is used again", async () => {
  const { daemon, dataDir, url, verbs, token, addSandbox } = await startInProcessDaemon(ENV);
  const bad = await startUpstream((req) => req.socket.destroy());
  await addSandbox("box", bad, await startUpstream((_req, res) => void res.end("fine")));
  const { authorization } = await token();
  for (let time = 0; time < 8; time++) await fetch(`${url}/s/box/`, { headers: { authorization } });
  const first = async (from: typeof verbs) => (await from.circuits.list(ACTOR))[0];
  await eventually("it is left alone", async () => (await first(verbs))?.circuit?.state === "open");
  await verbs.circuits.close(ACTOR, (await first(verbs))?.instance.id ?? "", { forget: false });
  const closed = { state: "closed", ejections: 1 };
  await eventually("it is used again", async () => (await first(verbs))?.circuit?.state === "closed");
  expect((await first(verbs))?.circuit).toMatchObject(closed);
  await daemon.close(0);
  const again = await startInProcessDaemon({ ...ENV, DATA_DIR: dataDir });
  expect((await first(again.verbs))?.circuit).toMatchObject(closed);
});
