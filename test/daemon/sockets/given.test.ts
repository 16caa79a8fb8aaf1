import { openSync } from "node:fs";
import { createServer, createConnection, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { givenSockets, socketsFromSystemd } from "../../../src/daemon/sockets/given.ts";
import type { GatewayError } from "../../../src/errors.ts";
import { listeningSocket } from "../../support/sockets.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

function fdOf(socket: Server | Socket): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd;
}

function reasonOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    const { code, details } = error as GatewayError;
    return `${code} ${details}`;
  }
  return "accepted";
}

test("sockets are told apart by their names, and their addresses are known without being touched", async () => {
  const clients = await listeningSocket();
  const admin = await listeningSocket({ host: "::1" });
  for (const name of ["clients", "", "unknown", "sandboxgw.socket"]) {
    const named = [
      { fd: admin.fd, name: "admin" },
      { fd: clients.fd, name },
    ];
    expect(givenSockets(named, true)).toEqual({
      clients: [{ ...clients, host: "127.0.0.1" }],
      admin: { ...admin, host: "::1" },
      kept: true,
    });
  }
});

const one = (fd: number, name = "clients"): string => reasonOf(() => givenSockets([{ fd, name }], true));

test("what is no listening TCP socket is refused with what it is", async () => {
  const folder = temporaryFolder();
  const { fd } = await listeningSocket();
  const other = await listeningSocket();
  const unix = createServer().listen(join(folder, "s"));
  await once(unix, "listening");
  const plain = createServer().listen(0, "127.0.0.1");
  await once(plain, "listening");
  const connected = createConnection((plain.address() as { port: number }).port, "127.0.0.1");
  await once(connected, "connect");
  onTestFinished(() => {
    connected.destroy();
    unix.close();
    plain.close();
  });
  expect(one(openSync(join(folder, "file"), "w"))).toMatch(/^GW_018 descriptor \d+ \(clients\) is no socket$/);
  expect(one(9_999)).toBe("GW_018 descriptor 9999 (clients) is not open");
  expect(one(fdOf(unix))).toMatch(/is no TCP socket that listens$/);
  expect(one(fdOf(connected))).toMatch(/is no TCP socket that listens$/);
  expect(one(fd, "web")).toMatch(/is named "web": the names are clients and admin$/);
  const two = (name: string) =>
    reasonOf(() =>
      givenSockets(
        [fd, other.fd].map((number) => ({ fd: number, name })),
        true,
      ),
    );
  expect(two("admin")).toBe("GW_018 two sockets are named admin");
  const named = ["clients", "admin"].map((name) => ({ fd, name }));
  expect(reasonOf(() => givenSockets(named, true))).toMatch(/^GW_018 sockets \d+ and \d+ \(admin\) listen on the same/);
  expect(two("")).toMatch(/^GW_018 sockets \d+ and \d+ listen on different ports \(\d+, \d+\)$/);
});

const from = (variables: Record<string, string>) =>
  reasonOf(() => socketsFromSystemd({ LISTEN_PID: "7", ...variables }, 7));

test("the variables are believed only by the process they are meant for, and must make sense", () => {
  expect(socketsFromSystemd({}, 7)).toBeUndefined();
  expect(socketsFromSystemd({ LISTEN_FDS: "1" }, 7)).toBeUndefined();
  expect(socketsFromSystemd({ LISTEN_FDS: "1", LISTEN_PID: "8" }, 7)).toBeUndefined();
  for (const count of ["0", "-1", "x", "1e3", "65", " 1"]) {
    expect(from({ LISTEN_FDS: count })).toBe(`GW_018 LISTEN_FDS is ${JSON.stringify(count)}, not a number up to 64`);
  }
  expect(from({ LISTEN_FDS: "2", LISTEN_FDNAMES: "clients" })).toBe("GW_018 LISTEN_FDNAMES has 1 names for 2 sockets");
});
