import { expect, test } from "vitest";
import { givenSockets } from "../../../src/daemon/sockets/given.ts";
import { startInProcessDaemon } from "../../support/in-process-daemon.ts";
import { listeningSocket } from "../../support/sockets.ts";

async function statusesOf(url: string, count: number): Promise<number[]> {
  const ask = async (): Promise<number> =>
    (await fetch(`${url}/health/proxy`, { headers: { connection: "close" } })).status;
  return Promise.all(Array.from({ length: count }, ask));
}

test("all threads accept from one given socket, and one that dies is replaced without losing who waits", async () => {
  const socket = await listeningSocket();
  const { daemon, url } = await startInProcessDaemon(
    { GATEWAY_WORKERS: "2" },
    givenSockets([{ fd: socket.fd, name: "" }], true),
  );
  expect(daemon.port).toBe(socket.port);
  expect(new Set(await statusesOf(url, 20))).toEqual(new Set([200]));
  await daemon.replaceThread(0);
  expect(new Set(await statusesOf(url, 20))).toEqual(new Set([200]));
  await daemon.replaceThread(1);
  // Perhaps nobody serves at this moment: these wait in the socket's queue.
  expect(new Set(await statusesOf(url, 20))).toEqual(new Set([200]));
}, 60_000);

test("more sockets than threads are all served", async () => {
  const first = await listeningSocket({ reusePort: true });
  const others = await Promise.all([1, 2].map(() => listeningSocket({ reusePort: true, port: first.port })));
  const sockets = [first, ...others].map(({ fd }) => ({ fd, name: "clients" }));
  const { url } = await startInProcessDaemon({ GATEWAY_WORKERS: "1" }, givenSockets(sockets, true));
  // The kernel spreads connections over the sockets: that one of the three gets none of 60 will not be seen.
  expect(new Set(await statusesOf(url, 60))).toEqual(new Set([200]));
}, 60_000);
