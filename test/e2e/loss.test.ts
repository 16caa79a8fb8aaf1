import { cpSync, existsSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { readKeptHead } from "../../src/audit/kept-head.ts";
import { loadConfig } from "../../src/config/load.ts";
import { type Daemon, startDaemon } from "../../src/daemon/daemon.ts";
import type { Log } from "../../src/daemon/parts/log.ts";
import { run } from "../cli/run.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const quiet = { info() {}, warn() {}, error() {} };

/** The daemon on the data folder `data` in `folder`. */
async function serve(folder: string, log: Log = quiet): Promise<Daemon> {
  const env = { DATA_DIR: join(folder, "data"), GATEWAY_PORT: "0", ADMIN_PORT: "0", GATEWAY_WORKERS: "1" };
  const readConfig = () => loadConfig({ flags: {}, env, cwd: "/" });
  const daemon = await startDaemon({ config: readConfig().config, log, readConfig });
  onTestFinished(() => daemon.close(0));
  return daemon;
}

/** What a killed daemon left: its folder as it was at a moment when `audit.head` had been kept, and some records earlier. */
async function killedGateway(): Promise<{ folder: string; earlier: string }> {
  const [folder, live, earlier] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
  const daemon = await serve(live);
  const keptUpTo = (seq: number) => () => readKeptHead(join(live, "data/audit.head"))?.seq === seq;
  await createToken(live);
  await eventually("the head is kept", keptUpTo(2)); // the start, and the token
  cpSync(live, earlier, { recursive: true });
  await createToken(live);
  await createToken(live);
  await eventually("the head is kept", keptUpTo(4));
  cpSync(live, folder, { recursive: true });
  await daemon.close(0);
  return { folder, earlier };
}

const createToken = (folder: string) => run(["token", "create", "--sub", "a", "--role", "executor"], { folder });

const database = (folder: string): string => join(folder, "data/sandboxgw.db");

const LOSSES: readonly (readonly [name: string, lose: (folder: string, earlier: string) => void])[] = [
  [
    "is gone",
    (folder) => {
      for (const suffix of ["", "-wal", "-shm"]) rmSync(database(folder) + suffix);
    },
  ],
  [
    "is empty",
    (folder) => {
      for (const suffix of ["-wal", "-shm"]) rmSync(database(folder) + suffix);
      truncateSync(database(folder));
    },
  ],
  ["has lost its write-ahead log", (folder) => rmSync(`${database(folder)}-wal`)],
  [
    "was put back to an earlier state",
    (folder, earlier) => {
      for (const suffix of ["", "-wal", "-shm"]) cpSync(database(earlier) + suffix, database(folder) + suffix);
    },
  ],
];

describe.each(LOSSES)("when the database %s", (_, lose) => {
  test("the daemon does not start, verify tells, and only an accepted loss, which is recorded, lets it go on", async () => {
    const { folder, earlier } = await killedGateway();
    lose(folder, earlier);
    await expect(serve(folder)).rejects.toMatchObject({ code: "GW_015" });
    const verified = await run(["audit", "verify"], { folder });
    expect(verified.code).toBe(8);
    expect(verified.stdout).toBe("");
    await expect(serve(folder), "looking must not mend it").rejects.toMatchObject({ code: "GW_015" });

    expect((await run(["audit", "accept-loss"], { folder })).code, "without being asked").toBe(2);
    const accepted = await run(["audit", "accept-loss", "--yes"], { folder });
    expect(accepted).toMatchObject({ code: 0 });
    expect(existsSync(join(folder, "data/secrets.key"))).toBe(true);
    await (await serve(folder)).close(0);
    const { code, stdout } = await run(["audit", "verify", "-o", "json"], { folder });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ intact: true, losses: [{ action: "audit.accept-loss", kept_seq: 4 }] });
    const { stdout: text } = await run(["audit", "verify"], { folder });
    expect(text).toMatch(/^ok: .*\nlosses that are on record: 1\n {2}.*audit\.accept-loss/m);
  });
});

test("after a kill nothing is missing: the daemon starts, verify says intact, and there is no loss to accept", async () => {
  const { folder } = await killedGateway();
  await (await serve(folder)).close(0);
  expect(await run(["audit", "verify"], { folder })).toMatchObject({ code: 0 });
  const nothing = await run(["audit", "accept-loss", "--yes"], { folder });
  expect(nothing.code).toBe(0);
  expect(nothing.stdout).toContain("nothing is missing");
});

test("a database that was cut in the middle is damaged, and can be moved away to accept the loss", async () => {
  const folder = temporaryFolder();
  await createToken(folder);
  truncateSync(database(folder), statSync(database(folder)).size / 2);
  await expect(serve(folder)).rejects.toMatchObject({ code: "GW_005" });
  const verified = await run(["audit", "verify"], { folder });
  expect(verified).toMatchObject({ code: 1, stderr: expect.stringContaining("audit accept-loss") });
  renameSync(database(folder), `${database(folder)}.damaged`);
  expect(await run(["audit", "accept-loss", "--yes"], { folder })).toMatchObject({ code: 0 });
  expect(await run(["audit", "verify"], { folder })).toMatchObject({ code: 0 });
});

test("a loss is not accepted under a running daemon", async () => {
  const folder = temporaryFolder();
  await serve(folder);
  expect(await run(["audit", "accept-loss", "--yes"], { folder })).toMatchObject({ code: 6 });
});

test("a command that writes makes no new database in the place of one that is gone", async () => {
  const folder = temporaryFolder();
  await createToken(folder);
  rmSync(database(folder));
  const created = await createToken(folder);
  expect(created.code).toBe(8);
  expect(created.stderr).toContain("accept-loss");
  expect(existsSync(database(folder))).toBe(false);
});

test("what a command records while no daemon runs is kept too", async () => {
  const folder = temporaryFolder();
  await createToken(folder);
  const earlier = temporaryFolder();
  cpSync(folder, earlier, { recursive: true });
  await createToken(folder);
  expect(readKeptHead(join(folder, "data/audit.head"))).toMatchObject({ seq: 2 });
  cpSync(database(earlier), database(folder));
  expect(await run(["audit", "verify"], { folder })).toMatchObject({ code: 8 });
});

test("a daemon says when no head was kept beside the chain it finds", async () => {
  const folder = temporaryFolder();
  await createToken(folder);
  rmSync(join(folder, "data/audit.head"));
  const warnings: string[] = [];
  await serve(folder, { ...quiet, warn: (_fields, message) => void warnings.push(message) });
  expect(warnings).toContainEqual(expect.stringContaining("no head of the audit chain was kept"));
});

test("a kept head that cannot be read stops the daemon", async () => {
  const folder = temporaryFolder();
  await createToken(folder);
  writeFileSync(join(folder, "data/audit.head"), "");
  await expect(serve(folder)).rejects.toMatchObject({ code: "GW_015" });
  expect((await run(["audit", "verify"], { folder })).code).toBe(8);
});
