import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { loadConfig } from "../../../src/config/load.ts";
import { Reloading } from "../../../src/daemon/parts/reloading.ts";
import { ACTOR } from "../../support/gateway.ts";
import { eventually } from "../../support/eventually.ts";
import { startInProcessDaemon } from "../../support/in-process-daemon.ts";
import { startUpstream } from "../../support/upstream.ts";

/** No answer: who is denied is dropped at accept. */
const DROPPED = 0;

const all = (status: number): number[] => Array.from({ length: 24 }, () => status);

test("a reload changes what every thread does, and a configuration that cannot be leaves all as it is", async () => {
  const env: Record<string, string> = { GATEWAY_WORKERS: "2" };
  const { daemon, url, verbs, token, addSandbox, logged } = await startInProcessDaemon(env);
  await addSandbox("box", await startUpstream((_req, res) => void res.end("fine")));
  const { authorization } = await token();
  // Connections of their own: both threads take some of them.
  const statuses = () =>
    Promise.all(
      Array.from({ length: 24 }, async () => {
        try {
          const response = await fetch(`${url}/s/box/`, { headers: { authorization, connection: "close" } });
          await response.text();
          return response.status;
        } catch {
          return DROPPED;
        }
      }),
    );
  expect(await statuses()).toEqual(all(200));

  env["IP_DENY_LIST"] = "127.0.0.0/8";
  await daemon.reload();
  expect(await statuses()).toEqual(all(DROPPED));
  expect(await verbs.status.lastReload(ACTOR)).toMatchObject({
    problem: null,
    changed: ["IP_DENY_LIST =  → 127.0.0.0/8"],
  });

  env["IP_DENY_LIST"] = "nonsense";
  await daemon.reload();
  expect(await statuses()).toEqual(all(DROPPED));
  expect(await verbs.status.lastReload(ACTOR)).toMatchObject({
    problem: expect.stringContaining("IP_DENY_LIST"),
    changed: [],
  });
  expect(logged("the configuration was not reloaded: the one before stays")).toBe(true);

  delete env["IP_DENY_LIST"];
  env["PROXY_TLS_CA_FILE"] = "/nowhere/ca.pem";
  await daemon.reload();
  expect((await verbs.status.lastReload(ACTOR))?.problem).toContain("/nowhere/ca.pem");
  expect(await statuses()).toEqual(all(DROPPED));

  delete env["PROXY_TLS_CA_FILE"];
  env["AUDIT_MODE"] = "relaxed";
  await daemon.reload();
  expect(await statuses()).toEqual(all(200));
  await daemon.replaceThread(0);
  expect(await verbs.status.lastReload(ACTOR)).toMatchObject({ waiting: [expect.stringContaining("AUDIT_MODE")] });

  const recorded = async (action: string) =>
    (await verbs.audit.search(ACTOR, { where: { action } }, "oldest first")).entries.map(({ record }) => record);
  await eventually("each is recorded", async () => (await recorded("gateway.reload")).length === 4);
  const [followed, refused] = await recorded("gateway.reload");
  expect(followed).toContain('"problem":null,"changed":["IP_DENY_LIST =  → 127.0.0.0/8"]');
  expect(refused).toMatch(/"actor":"gateway",.*"problem":".*IP_DENY_LIST/);
  expect(await recorded("gateway.start")).toEqual([expect.stringContaining(url)]);
});

test("a reload is known by when it read the configuration: what was written later, it does not follow", async () => {
  const loaded = loadConfig({ flags: {}, env: {}, cwd: "/" });
  const writtenAt: number[] = [];
  const put = async (_name: string, _json: string, atMs: number) => void writtenAt.push(atMs);
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const reloading = new Reloading({
    running: loaded.config,
    read: () => loaded,
    configure: () => delay(50),
    store: { observed: { put, find: async () => undefined } },
    onOutcome: () => undefined,
    log: silent,
  });
  const reloaded = reloading.reload();
  await delay(25);
  const later = Date.now();
  await reloaded;
  expect(writtenAt).toEqual([expect.any(Number)]);
  expect(writtenAt[0]).toBeLessThan(later);
});
