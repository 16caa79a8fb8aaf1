import type { IncomingMessage, ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { Agent, request } from "undici";
import { expect, onTestFinished, test } from "vitest";
import { type DaemonProcess, Installation } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { startUpstream } from "../support/upstream.ts";

const ATTACKERS = 150;
const CALLS = 100;

/** Connections of one narrow token, each of which sends `bytes` and reads or does not read what comes. */
function attack({ port }: DaemonProcess, bytes: string, { reads }: { reads: boolean }): Socket[] {
  return Array.from({ length: ATTACKERS }, () => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.on("error", () => undefined);
    onTestFinished(() => void socket.destroy());
    if (reads) socket.resume();
    else socket.pause();
    socket.write(bytes, "latin1");
    return socket;
  });
}

/** When the instance last sent something that nobody waits for. */
let floodedAt = 0;

/** An instance that answers for ever, a byte now and then or as fast as it is read; or at once. */
function serve(req: IncomingMessage, res: ServerResponse): void {
  if (req.url === "/trickle") {
    res.write("x");
    const trickle = setInterval(() => res.write("x"), 500);
    res.once("close", () => clearInterval(trickle));
  } else if (req.url === "/flood") {
    const flood = (): void => {
      floodedAt = performance.now();
      while (!res.destroyed && res.write(Buffer.alloc(64 * 1024)));
      if (!res.destroyed) res.once("drain", flood);
    };
    flood();
  } else {
    req.resume().on("end", () => res.end("quick"));
  }
}

async function start() {
  const gateway = new Installation();
  const daemon = await gateway.serve({ workers: 2 });
  const url = await startUpstream(serve);
  for (const id of ["own", "shared"]) await gateway.run("sandbox", "add", id, "--url", url);
  const attacker = await gateway.token("executor", "--sandbox", "shared");
  const other = await gateway.token("operator");
  return { daemon, attacker: attacker.authorization, other: other.authorization };
}

/** The other caller's calls, ten at a time: their statuses and the slowest, ms. */
async function callOn(daemon: DaemonProcess, authorization: string) {
  const dispatcher = new Agent({ connections: 10 });
  onTestFinished(() => dispatcher.destroy());
  const statuses: number[] = [];
  let slowest = 0;
  await Promise.all(
    Array.from({ length: 10 }, async (_, lane) => {
      for (let call = 0; call < CALLS / 10; call++) {
        const path = (lane + call) % 2 === 0 ? "/s/shared/" : "/s/own/";
        const since = performance.now();
        const reply = await request(`${daemon.url}${path}`, { headers: { authorization }, dispatcher });
        await reply.body.dump();
        slowest = Math.max(slowest, performance.now() - since);
        statuses.push(reply.statusCode);
      }
    }),
  );
  return { statuses, slowest };
}

async function proxyPage({ url }: DaemonProcess): Promise<{ in_flight: number; waiting: number; streams: number }> {
  return (await (await fetch(`${url}/health/proxy`)).json()) as { in_flight: number; waiting: number; streams: number };
}

/** Whoever has to wait for an attacker waits for STREAM_AFTER or QUEUE_TIMEOUT: 5 s. */
const NOTICED_MS = 4_000;

function head(method: string, path: string, authorization: string, more = ""): string {
  return `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n${more}\r\n`;
}

/** What one narrow token does: a request for each of its connections, and whether they read. */
const ATTACKS = [
  { what: "trickled answers", bytes: (token: string) => head("GET", "/s/shared/trickle", token), reads: true },
  {
    what: "slow uploads",
    bytes: (token: string) => `${head("POST", "/s/shared/", token, "Content-Length: 1000000\r\n")}x`,
    reads: true,
  },
  {
    what: "execute bodies that withhold their last byte",
    bytes: (token: string) =>
      `${head("POST", "/api/v1/sandbox/execute", token, "Content-Type: application/json\r\nContent-Length: 100000\r\n")}${"{".padEnd(99_999)}`,
    reads: true,
  },
  { what: "clients that do not read", bytes: (token: string) => head("GET", "/s/shared/flood", token), reads: false },
];

test(`one token's ${ATTACKERS} connections doing their worst leave the other caller's ${CALLS} calls alone, at default settings`, async () => {
  const { daemon, attacker, other } = await start();
  const seen: Record<string, object> = {};
  for (const { what, bytes, reads } of ATTACKS) {
    const sockets = attack(daemon, bytes(attacker), { reads });
    await eventually(
      `all that ${what} can get`,
      async () => {
        const { in_flight, waiting } = await proxyPage(daemon);
        return in_flight >= 25 && waiting > 50 && performance.now() - floodedAt > 200;
      },
      15_000,
    );
    const { statuses, slowest } = await callOn(daemon, other);
    const served = statuses.filter((status) => status === 200).length;
    console.info(`${what}: ${served} of ${CALLS} served, the slowest in ${slowest.toFixed(0)} ms`);
    seen[what] = { served, noticed: slowest > NOTICED_MS };
    for (const socket of sockets) socket.destroy();
    await eventually("the attack is over", async () => (await proxyPage(daemon)).in_flight === 0, 15_000);
  }
  const unnoticed = { served: CALLS, noticed: false };
  expect(seen).toEqual(Object.fromEntries(ATTACKS.map(({ what }) => [what, unnoticed])));
}, 90_000);
