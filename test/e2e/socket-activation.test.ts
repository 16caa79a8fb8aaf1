import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Agent, request } from "undici";
import { expect, onTestFinished, test } from "vitest";
import { Installation } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { listeningSocket } from "../support/sockets.ts";
import { startUpstream } from "../support/upstream.ts";

/** What systemd does, in a shell: keeps the sockets, and starts the program with them each time it has ended. */
const SYSTEMD = `while :; do sh -c 'LISTEN_PID=$$ exec "$@"' sh "$@"; done`;

interface Supervised {
  readonly log: string[];
  /** The daemon's process number; 0 while there is none. */
  pid(): number;
}

function supervise(gateway: Installation, fds: readonly number[], env: Readonly<Record<string, string>>): Supervised {
  const args = gateway.command("serve", "--port", "1", "--admin-port", "1", "--workers", "2");
  const child = spawn("sh", ["-c", SYSTEMD, "sh", ...args], {
    env: { ...gateway.env, LOG_FORMAT: "json", LISTEN_FDS: String(fds.length), ...env },
    stdio: ["ignore", "ignore", "pipe", ...fds],
    detached: true,
  });
  onTestFinished(() => void process.kill(-(child.pid as number), "SIGKILL"));
  const log: string[] = [];
  createInterface({ input: child.stderr as NodeJS.ReadableStream }).on("line", (line) => log.push(line));
  return {
    log,
    pid() {
      try {
        const { pid } = JSON.parse(readFileSync(join(gateway.dataDir, "daemon.json"), "utf8")) as { pid: number };
        return pid;
      } catch {
        return 0;
      }
    },
  };
}

test("with sockets of systemd's a restart fails no call, on kept and on new connections", async () => {
  const gateway = new Installation({ RATE_LIMIT_ENABLED: "false", SHUTDOWN_DELAY: "300ms" });
  const [clients, admin] = await Promise.all([listeningSocket(), listeningSocket()]);
  const daemon = supervise(gateway, [clients.fd, admin.fd], { LISTEN_FDNAMES: "clients:admin" });
  const admins = `http://127.0.0.1:${admin.port}`;
  await eventually("it is ready", async () => (await fetch(`${admins}/readyz`)).status === 200, 20_000);
  await gateway.run("sandbox", "add", "box", "--url", await startUpstream((_req, res) => res.end("ok")));
  const { authorization } = await gateway.token();
  const kept = new Agent({ connections: 4 });
  const statuses: (number | string)[] = [];
  const call = async (dispatcher: Agent): Promise<void> => {
    try {
      const { statusCode, body } = await request(`http://127.0.0.1:${clients.port}/s/box/`, {
        headers: { authorization },
        dispatcher,
      });
      await body.dump();
      statuses.push(statusCode);
    } catch (error) {
      statuses.push(String(error));
    }
  };
  const calls: Promise<void>[] = [];
  const timer = setInterval(() => {
    const fresh = new Agent({ connections: 1 });
    calls.push(
      call(kept),
      call(fresh).then(() => fresh.close()),
    );
  }, 40);
  for (let restart = 0; restart < 2; restart += 1) {
    const before = daemon.pid();
    process.kill(before, "SIGTERM");
    await eventually("another one runs", () => ![0, before].includes(daemon.pid()), 20_000);
    const listens = (): boolean => daemon.log.filter((line) => line.includes('"listening"')).length === restart + 2;
    await eventually("it listens", listens, 20_000);
  }
  clearInterval(timer);
  await Promise.all(calls);
  await kept.close();
  expect(statuses.length).toBeGreaterThan(50);
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
}, 60_000);

test("a socket that cannot be used keeps the program from starting and says which", async () => {
  const gateway = new Installation();
  const { fd } = await listeningSocket();
  const daemon = supervise(gateway, [fd], { LISTEN_FDNAMES: "web" });
  await eventually("it has said something", () => daemon.log.length > 1, 20_000);
  expect(daemon.log.join("\n")).toMatch(/cannot be used[^]*socket 3 is named "web": the names are clients and admin/);
}, 30_000);
