import { once } from "node:events";
import { expect, test } from "vitest";
import { askByTcp } from "../../../../src/proxy/health/probes/tcp.ts";
import { findingOf, targetAt, wayTo } from "../../../support/health-targets.ts";
import { closedPort, startRawUpstream } from "../../../support/upstream.ts";

test("an instance that accepts a connection is well, and the connection is closed", async () => {
  let ended: Promise<unknown> | undefined;
  const url = await startRawUpstream((socket) => {
    ended = once(socket.resume(), "end");
  });
  expect(await findingOf(askByTcp, targetAt(url))).toBeNull();
  await ended;
});

test("one that refuses it, or must not be connected to, is not", async () => {
  expect(await findingOf(askByTcp, targetAt(await closedPort()))).toBe("ECONNREFUSED");
  const url = await startRawUpstream(() => undefined);
  const denied = { reached: () => wayTo(url, { deny: ["127.0.0.0/8"] }) };
  expect(await findingOf(askByTcp, targetAt(url, {}, denied))).toBe("its address is not allowed");
});

test("one that resets as soon as it has accepted ends nobody", async () => {
  const url = await startRawUpstream((socket) => socket.resetAndDestroy());
  for (let time = 0; time < 20; time++) {
    expect([null, "ECONNRESET"]).toContain(await findingOf(askByTcp, targetAt(url)));
  }
});
