import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { HandOver } from "../../../src/daemon/handover/hand-over.ts";
import { Ownership } from "../../../src/daemon/handover/ownership.ts";
import { fdOf } from "../../../src/daemon/sockets/fd-of.ts";
import { eventually } from "../../support/eventually.ts";

async function listening(): Promise<Server> {
  const server = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return server;
}

/** Says that it is ready, that it serves, and ends as it is told. */
const successor = (end: string) => ({
  command: process.execPath,
  args: [
    "-e",
    `process.send({ kind: "ready" });
     process.on("message", ({ kind }) => kind === "yours" && process.send({ kind: "serving" }, () => { ${end} }));`,
    "--",
  ],
});

test.each([
  ["process.kill(process.pid, 'SIGKILL')", "it ended with SIGKILL"],
  ["process.exit(3)", "it ended with exit code 3"],
])("a process that took over and is lost, by %s, is told of while the old one is there", async (end, problem) => {
  const admin = await listening();
  const errors: object[] = [];
  const handOver = new HandOver({
    ownership: new Ownership(),
    sockets: () => ({ clients: [], admin: fdOf(admin), kept: false }),
    revision: () => 1,
    args: [],
    log: { info: () => undefined, warn: () => undefined, error: (fields) => void errors.push(fields) },
  });
  const pid = await handOver.begin(successor(end));
  await eventually("it is told", () => errors.length > 0);
  expect(errors).toEqual([{ pid, problem }]);
});
