import { join } from "node:path";
import { expect, test } from "vitest";
import { SIGNING_ALGORITHMS } from "../../../src/domain/credential/signing-key.ts";
import { eventually } from "../../support/eventually.ts";
import { ACTOR, startTestGateway } from "../../support/gateway.ts";
import { startInProcessDaemon } from "../../support/in-process-daemon.ts";
import { openTestStore } from "../../support/stores.ts";
import { startUpstream } from "../../support/upstream.ts";

const DAY = 86_400_000;

test("through rotations over all algorithms tokens of each key are good, until theirs is retired", async () => {
  const gateway = await startTestGateway();
  const { url, verbs, feed } = gateway;
  const status = async (authorization: string) =>
    (await fetch(`${url}/api/v1/sandboxes`, { headers: { authorization } })).status;
  const tokens = [await gateway.authorization()];
  for (const algorithm of SIGNING_ALGORITHMS) {
    await verbs.keys.rotate(ACTOR, { algorithm, overlapMs: DAY });
    await feed.wake();
    tokens.push(await gateway.authorization());
  }
  for (const token of tokens) expect(await status(token)).toBe(200);
  const [, ...others] = await verbs.keys.list(ACTOR);
  for (const [index, { id }] of others.toReversed().entries()) {
    await verbs.keys.retire(ACTOR, id);
    await feed.wake();
    expect(await Promise.all(tokens.map(status))).toEqual(tokens.map((_, place) => (place <= index ? 401 : 200)));
  }
  await feed.resync();
  expect(await Promise.all(tokens.map(status))).toEqual([401, 401, 401, 401, 200]);
});

test("a key that is retired ends the streams of its tokens at once, and nobody else's", async () => {
  const gateway = await startTestGateway();
  const { url, verbs, feed } = gateway;
  const upstream = await startUpstream((_req, res) => void res.write("data: 1\n\n"));
  await gateway.addSandbox("box", upstream);
  const old = await gateway.authorization();
  const { before } = await verbs.keys.rotate(ACTOR, { algorithm: "ES256", overlapMs: DAY });
  await feed.wake();
  const streams = [old, await gateway.authorization()].map(async (authorization) => {
    const { body } = await fetch(`${url}/s/box/`, { headers: { authorization } });
    return (body as ReadableStream<Uint8Array>).getReader();
  });
  const [ended, going] = (await Promise.all(streams)) as [Reader, Reader];
  for (const stream of [ended, going]) expect((await stream.read()).done).toBe(false);
  await verbs.keys.retire(ACTOR, before[0]?.id as string);
  await feed.wake();
  await expect(ended.read()).rejects.toThrow("terminated");
  const next = going.read();
  expect(await Promise.race([next.then(() => "ended"), feed.wake().then(() => "goes on")])).toBe("goes on");
  await Promise.all([going.cancel(), next]);
});

type Reader = ReadableStreamDefaultReader<Uint8Array>;

test("a running gateway follows a rotation on all threads, and retires the old key when its overlap is over", async () => {
  const { url, dataDir, token, verbs } = await startInProcessDaemon({ RATE_LIMIT_ENABLED: "false" });
  const store = openTestStore(join(dataDir, "sandboxgw.db"));
  const status = async ({ authorization }: { authorization: string }) =>
    (await fetch(`${url}/api/v1/sandboxes`, { headers: { authorization } })).status;
  const old = await token();
  expect(await status(old)).toBe(200);
  const { before } = await verbs.keys.rotate(ACTOR, { algorithm: "EdDSA", overlapMs: 700 });
  const next = await token();
  await eventually("the new key is known", async () => (await status(next)) === 200);
  // A call that is in flight in that moment is cut, which is no answer.
  await eventually("the old one is not", async () => (await status(old).catch(() => 0)) === 401);
  await eventually("it is retired", async () => {
    return (await store.signingKeys.find(before[0]?.id as string))?.retiredAt !== null;
  });
  expect(await status(next)).toBe(200);
});
