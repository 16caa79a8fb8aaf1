import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { ACTOR } from "../../support/gateway.ts";
import { startInProcessDaemon } from "../../support/in-process-daemon.ts";
import { openTestStore } from "../../support/stores.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

test("a session is good on every thread when its opening is answered, and gone from all when its token is revoked; what was over before is ended", async () => {
  const dataDir = join(temporaryFolder(), "data");
  const before = await startInProcessDaemon({ DATA_DIR: dataDir, GATEWAY_WORKERS: "1" });
  await before.daemon.close(0);
  const store = openTestStore(join(dataDir, "sandboxgw.db"));
  const own = { hash: "00", subject: "ada", role: "viewer", sandboxes: null, operations: null, secure: true } as const;
  const over = { ...own, id: "ses_over", grantedBy: "tok_1", keyId: null, issuedAt: 1, createdAt: 1, expiresAt: 2 };
  await store.transaction(({ sessions }) => sessions.create({ ...over, lastUsedAt: 1 }));

  const { url, token, verbs } = await startInProcessDaemon({ DATA_DIR: dataDir, GATEWAY_WORKERS: "3" });
  const { id, authorization } = await token();
  const opened = await fetch(`${url}/api/v1/session`, { method: "POST", headers: { authorization } });
  const cookie = opened.headers.getSetCookie()[0]?.split(";")[0] ?? "";
  // A connection of its own each time: the system spreads them over the threads.
  const call = async () => {
    const request = get(`${url}/api/v1/session`, { headers: { cookie }, agent: false });
    const [{ statusCode }] = (await once(request, "response")) as [IncomingMessage];
    request.destroy();
    return statusCode;
  };
  const calls = async (count: number) => new Set(await Promise.all(Array.from({ length: count }, call)));
  expect(await calls(40)).toEqual(new Set([200]));
  await verbs.tokens.revoke(ACTOR, id);
  // What is being answered at that moment is cut off.
  await eventually("all threads refuse it", async () => {
    const statuses = await calls(20).catch(() => new Set([200]));
    return !statuses.has(200);
  });
  await eventually("the old one is ended", async () => (await store.sessions.find("ses_over")) === undefined);
});
