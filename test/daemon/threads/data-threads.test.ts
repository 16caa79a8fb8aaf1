import { createServer, type Server } from "node:net";
import { Agent, request } from "undici";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { type InProcessDaemon, startInProcessDaemon } from "../../support/in-process-daemon.ts";
import { hangThread } from "../../support/thread-debugger.ts";

async function statusOf(url: string): Promise<number> {
  const dispatcher = new Agent({ headersTimeout: 1000 });
  try {
    const response = await request(url, { dispatcher });
    await response.body.dump();
    return response.statusCode;
  } catch {
    return 0;
  } finally {
    await dispatcher.destroy();
  }
}

async function readiness({ admin }: InProcessDaemon): Promise<string> {
  const response = await fetch(`${admin}/readyz`);
  return `${response.status} ${await response.text()}`;
}

/** Takes a port as soon as nobody else has it. */
async function occupy(port: number): Promise<Server> {
  for (;;) {
    const server = createServer((socket) => socket.destroy());
    const isMine = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen({ port, host: "127.0.0.1" }, () => resolve(true));
    });
    if (!isMine) continue;
    onTestFinished(() => void server.close());
    return server;
  }
}

test("a thread whose port was taken while it was replaced is tried again until it can listen, and readiness says why", async () => {
  const running = await startInProcessDaemon({ GATEWAY_WORKERS: "1" });
  const { daemon, url, lines } = running;
  expect(await readiness(running)).toBe("200 ok\n");
  const [, squatter] = await Promise.all([daemon.replaceThread(0), occupy(daemon.port)]);
  await eventually(
    "the thread has tried to listen",
    () => lines.some(({ fields }) => JSON.stringify(fields).includes("EADDRINUSE")),
    15_000,
  );
  expect(await readiness(running)).toMatch(/^503 no data thread serves: .*EADDRINUSE/);
  squatter.close();
  await eventually("it serves", async () => (await statusOf(`${url}/health/proxy`)) === 200, 15_000);
  expect(await readiness(running)).toBe("200 ok\n");
  expect(lines.filter(({ level }) => level === "error")).toHaveLength(2);
}, 60_000);

test("a thread that hangs is noticed and replaced", async () => {
  const running = await startInProcessDaemon({ GATEWAY_WORKERS: "1", THREAD_HANG_TIMEOUT: "500ms" });
  const { url, lines } = running;
  await hangThread(0);
  expect(await statusOf(`${url}/health/proxy`)).toBe(0);
  await eventually("another one serves", async () => (await statusOf(`${url}/health/proxy`)) === 200, 15_000);
  expect(lines.filter(({ level }) => level === "error")).toEqual([
    {
      level: "error",
      message: "data thread ended; starting another",
      fields: { thread: 0, reason: "no sign of life for 500 ms" },
    },
  ]);
}, 60_000);

test("a thread that hangs does not keep the daemon from stopping", async () => {
  const { daemon } = await startInProcessDaemon({ GATEWAY_WORKERS: "2", THREAD_HANG_TIMEOUT: "500ms" });
  await hangThread(1);
  await expect(daemon.close(0)).resolves.toBeUndefined();
}, 60_000);
