import { spawnSync, type StdioOptions } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import Database from "better-sqlite3";
import { describe, expect, it, onTestFinished } from "vitest";
import { AuditChain } from "../../src/audit/chain.ts";
import { AdminListener } from "../../src/daemon/admin-listener.ts";
import { acquireDaemonLock } from "../../src/daemon/lock.ts";
import { openDataFolder } from "../../src/store/data-folder.ts";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import { VERSION } from "../../src/version.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { PROGRAM, run, runAlone, type RunOptions, start } from "./run.ts";

/** The program in an empty home, ready to be run again and again. */
function fresh(env: RunOptions["env"] = {}) {
  const folder = temporaryFolder();
  const inHome = (line: string, options: Partial<RunOptions> = {}) => run(line.split(" "), { folder, env, ...options });
  return {
    folder,
    data: join(folder, "data"),
    run: inHome,
    /** Its parsed JSON output. */
    json: async (line: string, input = ""): Promise<Record<string, unknown>> => {
      const { stdout } = await inHome(`${line} -o json`, { input });
      return JSON.parse(stdout) as Record<string, unknown>;
    },
  };
}

/** Commits records of requests together, as the daemon does. */
async function addRecords(data: string, count: number): Promise<void> {
  const store = openSqliteStore(join(data, "sandboxgw.db"));
  const chain = new AuditChain({ table: store.audit, key: Buffer.alloc(32) });
  const lines = Array.from({ length: count }, () => '{"kind":"proxy"}').join("\n");
  store.audit.transaction(() => chain.append(lines, count));
  await store.close();
}

/** A folder as a daemon would hold it: everything is in force at once, and instances are what `see` says. */
async function held() {
  const cli = fresh();
  const folder = openDataFolder(cli.data);
  const store = openSqliteStore(folder.database);
  const lock = acquireDaemonLock(folder.lock);
  onTestFinished(async () => {
    lock.release();
    await store.close();
  });
  await store.observed.put("in_force", '{"revision":1000000}', 1);
  const see = async (state: string): Promise<void> => {
    const sandbox = await store.sandboxes.find("box");
    const instances = Object.fromEntries(sandbox?.instances.map(({ id }) => [id, state]) ?? []);
    await store.observed.put("daemon", JSON.stringify({ instances }), 1);
  };
  const isAdded = async () => (await store.sandboxes.find("box")) !== undefined;
  return { cli, see, isAdded };
}

const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

describe("the version", () => {
  it("is the package's", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    expect(VERSION).toBe(version);
    const { code, stdout } = await runAlone(["--version"], fresh());
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${version}\n` });
  });
});

describe("token", () => {
  it("is printed alone on stdout, once, and everything about it on stderr", async () => {
    const cli = fresh();
    const { code, stdout, stderr } = await cli.run(
      "token create --sub agent-1 --role executor --expires 1h --sandbox py-* --operation run_code",
    );
    expect(code).toBe(0);
    expect(stdout.trim()).toMatch(JWT);
    expect(stderr).toMatch(/\ntok_\w+ {2}expires \d{4}-/);
    const { code: listed, stdout: list } = await cli.run("token list");
    expect(listed).toBe(0);
    expect(list).toMatch(/^ID +SUBJECT .*\ntok_\w+ +agent-1 +executor +py-\* +run_code +active +in (59|60)m +\ds\n$/);
    const kept = readFileSync(join(cli.data, "sandboxgw.db"), "latin1");
    expect(kept).not.toContain(stdout.trim().split(".")[2]);
  });

  it("narrowed to what is not there is made, and that is said", async () => {
    const cli = fresh();
    await cli.run("sandbox add box-1 --driver wasm");
    const made = await cli.run(
      "token create --sub a --role viewer --sandbox box-2 --sandbox box-* --sandbox x* --operation run_cod --operation run_code",
    );
    expect(made.code).toBe(0);
    expect(made.stdout.trim()).toMatch(JWT);
    expect(made.stderr.split("\n").filter((line) => line.startsWith("warning: "))).toEqual([
      "warning: --sandbox box-2: there is no such sandbox (did you mean box-1?)",
      "warning: --sandbox x*: there is no such sandbox",
      "warning: --operation run_cod: none of run_code, run_command (did you mean run_code?)",
    ]);
    const right = await cli.run("token create --sub a --role viewer --sandbox box-1 --operation run_command");
    expect(right.stderr).not.toContain("warning");
  });

  it("is made as JSON, found by id and by itself, revoked, and then shown as revoked", async () => {
    const cli = fresh();
    const made = await cli.json("token create --sub agent-1 --role viewer");
    expect(made).toMatchObject({
      id: expect.stringMatching(/^tok_/),
      token: expect.stringMatching(JWT),
      role: "viewer",
    });
    const { token, ...record } = made;
    expect(await cli.json(`token inspect ${String(record["id"])}`)).toEqual(record);
    expect(await cli.json("token inspect --token-stdin", `${String(token)}\n`)).toEqual(record);
    expect((await cli.run(`token revoke ${String(record["id"])}`)).code).toBe(0);
    expect(await cli.json("token inspect -", String(token))).toMatchObject({ status: "revoked", subject: "agent-1" });
  });

  it("made elsewhere with the shared secret can be inspected, one made with another secret cannot", async () => {
    const secret = "of thirty-two bytes, a good one.";
    const cli = fresh({ TOKEN_SECRET: secret });
    await cli.run("sandbox add box --driver wasm");
    const claims = { iss: "sandboxgw", aud: "sandboxgw", sub: "x", jti: "elsewhere-1", role: "viewer", exp: 4e9 };
    const made = (key: string) => {
      const parts = [{ alg: "HS256" }, claims]
        .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
        .join(".");
      return `${parts}.${createHmac("sha256", key).update(parts).digest("base64url")}`;
    };
    expect(await cli.json("token inspect -", made(secret))).toMatchObject({
      id: "elsewhere-1",
      subject: "x",
      status: "active",
    });
    await cli.run("token revoke elsewhere-1 --foreign --expires 30d");
    expect(await cli.json("token inspect -", made(secret))).toMatchObject({ status: "revoked" });
    const refused = await cli.run("token inspect -", { input: made(`${secret}!`) });
    expect(refused.code).toBe(4);
    expect(refused.stderr).toContain("Signature does not match");
  });

  it.each(["", " --api-key"])("is refused as an argument, where others could read it: token create%s", async (form) => {
    const cli = fresh();
    const { token } = await cli.json(`token create --sub a --role viewer${form}`);
    const { code, stderr } = await cli.run(`token inspect ${String(token)}`);
    expect(code).toBe(2);
    expect(stderr).toContain("--token-stdin");
    expect(stderr).not.toContain(String(token).slice(-20));
  });

  it("that is opaque is listed with its beginning and its last use, and may live for ever", async () => {
    const cli = fresh();
    const made = await cli.run("token create --sub ci --role executor --api-key --expires never");
    expect(made.stdout).toMatch(/^sgw_[0-9A-Za-z]{46}\n$/);
    expect(made.stderr).toContain("expires never");
    const { stdout } = await cli.run("token list");
    expect(stdout).toMatch(/^ID .*AGE +KEY +USED\ntok_\w+ .*active +never +\ds +(sgw_\w{6})… +never\n$/);
    expect(await cli.json("token inspect -", made.stdout)).toMatchObject({ form: "opaque", expires_at: null });
    expect((await cli.run("token create --sub ci --role executor --expires never")).code).toBe(2);
  });

  it("of a subject is revoked with all others of it that were issued before", async () => {
    const cli = fresh();
    const made = await cli.json("token create --sub leaver --role viewer");
    await cli.json("token create --sub stayer --role viewer");
    expect(await cli.json("token revoke --sub leaver --issued-before 1h")).toMatchObject({ tokens: 0 });
    expect(await cli.json("token revoke --sub leaver")).toMatchObject({ subject: "leaver", tokens: 1 });
    expect(await cli.json(`token inspect ${String(made["id"])}`)).toMatchObject({ status: "revoked" });
  });

  it.each([
    ["token revoke", "give either the id of a token or --sub"],
    ["token revoke tok_1 --sub a", "give either the id of a token or --sub"],
    ["token revoke tok_1 --issued-before 1h", "--issued-before needs --sub"],
    ["token revoke tok_1 --expires 1h", "--expires needs --foreign"],
    ["token revoke --sub a --foreign", "--foreign needs the jti of a token"],
  ])("is not revoked by %j", async (line, problem) => {
    const { code, stderr } = await fresh().run(line);
    expect([code, stderr]).toEqual([2, expect.stringContaining(problem)]);
  });
});

it("sandbox add says when an id cannot be a host under the domain", async () => {
  const cli = fresh({ GATEWAY_DOMAIN: "gw.example" });
  expect((await cli.run("sandbox add box --url http://127.0.0.1:9000")).stderr).not.toContain("host");
  const { stderr } = await cli.run("sandbox add Box_2 --url http://127.0.0.1:9000");
  expect(stderr).toContain("warning: Box_2 cannot be a host under GATEWAY_DOMAIN: it is reached by path only");
});

it("a sandbox whose certificates are not checked is told as that each time it is changed", async () => {
  const cli = fresh();
  const added = await cli.run("sandbox add box --url https://127.0.0.1:9000 --tls-skip-verify true");
  expect(added.stderr).toContain("warning: box: NO CERTIFICATE IS CHECKED");
  expect((await cli.run("sandbox update box --label a=b")).stderr).toContain("NO CERTIFICATE IS CHECKED");
  expect((await cli.run("sandbox update box --unset tls-skip-verify")).stderr).not.toContain("NO CERTIFICATE");
});

it("one that has no certificates is told as that only when it gets an instance over TLS", async () => {
  const cli = fresh();
  const added = await cli.run("sandbox add box --url http://127.0.0.1:9000 --tls-skip-verify true");
  expect(added).toMatchObject({ code: 0, stderr: expect.not.stringContaining("CERTIFICATE") });
  const another = await cli.run("instance add box --url https://127.0.0.1:9001");
  expect(another.stderr).toContain("warning: box: NO CERTIFICATE IS CHECKED");
});

it("a queue timeout that cannot be had is said to be none, when it is given", async () => {
  const cli = fresh();
  const added = await cli.run("sandbox add box --url http://127.0.0.1:9000 --queue-timeout 30s");
  expect(added.stderr).toContain(
    "warning: box: --queue-timeout 30s is more than QUEUE_TIMEOUT, 5s: no call waits longer",
  );
  expect((await cli.run("sandbox update box --label a=b")).stderr).not.toContain("warning");
  expect((await cli.run("sandbox update box --queue-timeout 5s")).stderr).not.toContain("warning");
  expect((await cli.run("sandbox update box --unset queue-timeout")).stderr).not.toContain("warning");
});

it("a setting that does nothing without another is said to do so", async () => {
  const cli = fresh();
  const added = await cli.run("sandbox add box --url http://127.0.0.1:9000 --sticky-ttl 5m --cors-max-age 1h");
  expect(added.stderr).toContain("warning: box: --sticky-ttl does nothing without --sticky");
  expect(added.stderr).toContain("warning: box: --cors-max-age does nothing without --cors gateway");
  const whole = "--sticky cookie --sticky-ttl 5m --cors gateway --cors-origins http://a.example";
  expect((await cli.run(`sandbox update box ${whole}`)).stderr).not.toContain("warning");
  expect((await cli.run("sandbox update box --unset sticky-ttl")).stderr).not.toContain("warning");
});

it("a setting that is given and unset at once is refused, and nothing is changed", async () => {
  const cli = fresh();
  await cli.run("sandbox add box --url http://127.0.0.1:9000 --first-byte-timeout 3s");
  const refused = await cli.run("sandbox update box --unset first-byte-timeout --first-byte-timeout 5s");
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("contradict each other") });
  expect((await cli.run("sandbox show box")).stdout).toContain("3s");
});

it("ports that are opened are shown, and what that means on this machine is said", async () => {
  const cli = fresh();
  const added = await cli.run("sandbox add box --url http://10.0.0.1:9000 --ports 8080,3000-3010");
  expect(added.stderr).not.toContain("ports");
  expect((await cli.run("sandbox show box")).stdout).toMatch(/ports: +3000-3010,8080/);
  for (const url of ["http://127.0.0.1:9000", "https://localhost:9000", "http://[::1]:9000"]) {
    const { stderr } = await cli.run(`sandbox add at-${url.length} --url ${url} --ports 3000`);
    expect(stderr).toContain("opens these ports of this machine itself");
  }
  expect((await cli.run("sandbox update at-21 --label a=b")).stderr).not.toContain("ports");
  const refused = await cli.run("sandbox update box --ports 0-80");
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('"0-80" is not a port or a range')]);
});

describe("circuits and instances", () => {
  it("are opened, closed, weighed and drained, and say so", async () => {
    const cli = fresh();
    const { instances } = (await cli.json("sandbox add py --url http://127.0.0.1:9000")) as {
      instances: [{ id: string }];
    };
    const [{ id }] = instances;
    expect((await cli.run("circuit list")).stdout).toMatch(/py +http:\/\/127.0.0.1:9000 +unknown +- +- +-\n$/);
    expect(await cli.json(`circuit show ${id}`)).toMatchObject({ state: null, failures: null });
    expect((await cli.run(`circuit open ${id}`)).stdout).toBe(`circuit of ${id} opened\n`);
    expect((await cli.run("circuit list")).stdout).toMatch(/py +http:\/\/127.0.0.1:9000 +open \(by hand\) +- +- +-\n$/);
    expect(await cli.json(`circuit show ${id}`)).toMatchObject({ instance_id: id, state: "open", by_hand: true });
    expect((await cli.run(`circuit reset ${id}`)).stdout).toBe(`circuit of ${id} closed, its past forgotten\n`);
    expect((await cli.run(`instance update ${id} --weight 5`)).stdout).toBe(`${id} has weight 5\n`);
    expect((await cli.run(`instance drain ${id}`)).stdout).toBe(`${id} is drained\n`);
    expect((await cli.run("instance list")).stdout).toMatch(/ 5 +-, draining\n$/);
    expect((await cli.run(`instance resume ${id}`)).stdout).toBe(`${id} gets requests again\n`);
    expect((await cli.run(`instance update ${id} --weight 1001`)).code).toBe(2);
    expect((await cli.run("circuit open ins_x")).code).toBe(5);
  });
});

describe("route", () => {
  it("is added, listed, shown and removed, also together with its sandbox", async () => {
    const cli = fresh();
    await cli.run("sandbox add web --url http://127.0.0.1:9000");
    const added = await cli.json(
      "route add --path /shop/ --methods get,POST --strip-prefix --sandbox web --total-timeout 5s",
    );
    expect(added).toMatchObject({
      host: null,
      path: "/shop",
      methods: ["GET", "POST"],
      strip_prefix: true,
      sandbox_id: "web",
      settings: { total_timeout: "5s" },
    });
    const id = String(added["id"]);
    const twin = await cli.run("route add --path /shop --methods POST --sandbox web");
    expect(twin).toMatchObject({
      code: 6,
      stderr: expect.stringContaining(`POST /shop goes to sandbox web by ${id}`) as string,
    });
    expect((await cli.run("route add --host Shop.Example --sandbox web")).stdout).toMatch(
      /shop\.example\/ leads to web\n$/,
    );
    const list = await cli.run("route list");
    expect(list.stdout).toMatch(
      /^ID +HOST +PATH .*\nrte_\S+ +any +\/shop +GET,POST +stripped +web .*\nrte_\S+ +shop\.example +\/ +all +kept +web /,
    );
    expect((await cli.run(`route show ${id}`)).stdout).toMatch(/prefix: +stripped\n(?:.*\n)*total-timeout: +5s\n/);
    expect((await cli.run(`route remove ${id} --yes`)).stdout).toBe(`${id} removed: /shop leads to web no more\n`);
    expect((await cli.run(`route show ${id}`)).code).toBe(5);
    expect((await cli.run("sandbox remove web --yes")).stdout).toBe("web removed, and with it shop.example/\n");
    expect(await cli.json("route list")).toEqual([]);
  });

  it.each([
    ["route add --sandbox web", "option --path or --host is missing"],
    ["route add --path /x", "option --sandbox is missing"],
    ["route add --path /x --sandbox web --hard-limit 3", "unknown option '--hard-limit'"],
    ["route add --path /api/x --sandbox web", "/api is the gateway's own"],
    ["route add --path /x/* --sandbox web", "write it without the *"],
    ["route add --path /x --methods GTE --sandbox web", "did you mean GET?"],
  ])("%s is refused: %s", async (line, why) => {
    const cli = fresh();
    await cli.run("sandbox add web --url http://127.0.0.1:9000");
    const { code, stderr } = await cli.run(line);
    expect(code).toBe(2);
    expect(stderr).toContain(why);
  });
});

describe("sandbox and instance", () => {
  it("are added, listed, shown and removed", async () => {
    const cli = fresh();
    const added = await cli.json(
      "sandbox add py --url http://127.0.0.1:9000 --url http://127.0.0.1:9001 --runtime generic",
    );
    expect(added).toMatchObject({
      id: "py",
      driver: "static",
      instances: [{ url: "http://127.0.0.1:9000" }, { sandbox_id: "py" }],
    });
    expect((await cli.run("sandbox add demo --driver wasm")).stdout).toMatch(
      /^demo added, 1 instance\n {2}ins_\w+ {2}unix:.*\n$/,
    );
    const list = await cli.run("sandbox list");
    expect(list.stdout).toMatch(
      /^ID +RUNTIME .*\ndemo +generic +wasm .*\npy +generic +static +default +2 +unknown +\ds\n$/,
    );
    const third = await cli.json("instance add py --url http://127.0.0.1:9002");
    expect(await cli.json("instance list py")).toHaveLength(3);
    const removed = await cli.run(`instance remove ${String(third["id"])} --yes`);
    expect(removed).toMatchObject({ code: 0, stdout: `${String(third["id"])} removed from py\n` });
    expect((await cli.run("sandbox remove py --yes")).code).toBe(0);
    expect((await cli.run("sandbox show py")).code).toBe(5);
  });

  it("are listed with what the running daemon sees of their instances", async () => {
    const cli = fresh();
    const added = await Promise.all([
      cli.json("sandbox add one --url http://127.0.0.1:9000"),
      cli.json("sandbox add some --url http://127.0.0.1:9000 --url http://127.0.0.1:9001 --url http://127.0.0.1:9002"),
      cli.json("sandbox add none --url http://127.0.0.1:9000"),
      cli.json("sandbox add new --url http://127.0.0.1:9000"),
    ]);
    const ids = added.flatMap(({ instances }) => (instances as { id: string }[]).map(({ id }) => id));
    const words = ["up", "up", "down", "up", "down"];
    const instances = Object.fromEntries(words.map((word, index) => [ids[index], word]));
    const folder = openDataFolder(cli.data);
    const store = openSqliteStore(folder.database);
    onTestFinished(() => store.close());
    await store.observed.put("daemon", JSON.stringify({ instances }), 1);
    const lock = acquireDaemonLock(folder.lock);
    onTestFinished(() => lock.release());
    const { stdout } = await cli.run("sandbox list");
    const states = stdout.split("\n").map((line) => /^(\S+) .* {2}(\S.*?) +\S+$/.exec(line)?.slice(1));
    expect(states.slice(0, 5)).toEqual([
      ["ID", "STATE"],
      ["new", "unknown"],
      ["none", "down"],
      ["one", "up"],
      ["some", "2/3 up"],
    ]);
    const list = (await cli.run("sandbox list --json")).stdout;
    expect(JSON.parse(list)).toMatchObject([
      { id: "new", instances: [{ state: null }] },
      { id: "none", instances: [{ state: "down" }] },
      { id: "one", instances: [{ state: "up" }] },
      { id: "some", instances: [{ state: "up" }, { state: "down" }, { state: "up" }] },
    ]);
  });

  it("are not removed without a word when nobody can be asked", async () => {
    const cli = fresh();
    await cli.run("sandbox add demo --driver wasm");
    const { code, stderr } = await cli.run("sandbox remove demo", { input: "y\n" });
    expect(code).toBe(2);
    expect(stderr).toContain("--yes");
    expect((await cli.run("sandbox show demo")).code).toBe(0);
  });

  it.each([
    ["y\n", 0],
    ["YES\n", 0],
    ["n\n", 2],
    ["\n", 2],
    ["", 2],
  ])("are removed from a terminal only when the answer is yes: %j", async (input, code) => {
    const cli = fresh();
    await cli.run("sandbox add demo --driver wasm");
    const answered = await cli.run("sandbox remove demo", { isTTY: true, input });
    expect(answered.code).toBe(code);
    expect(answered.stderr).toContain("Remove sandbox demo and its instances and routes? [y/N]");
    expect((await cli.run("sandbox show demo")).code).toBe(code === 0 ? 5 : 0);
  });
});

describe("a question", () => {
  const CTRL_C = "\u0003";
  const CTRL_D = "\u0004";

  it("that is answered with Ctrl-C ends with 130 and not with a report of a bug", async () => {
    const cli = fresh();
    await cli.run("sandbox add demo --driver wasm");
    const { code, stdout, stderr } = await cli.run("sandbox remove demo", { isTTY: true, input: CTRL_C });
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
    expect(stderr).toMatch(/\[y\/N\] [^a-z]*\n$/);
    expect((await cli.run("sandbox show demo")).code).toBe(0);
  });

  it("that is answered with Ctrl-D is not confirmed", async () => {
    const cli = fresh();
    await cli.run("sandbox add demo --driver wasm");
    const { code, stderr } = await cli.run("sandbox remove demo", { isTTY: true, input: CTRL_D });
    expect(code).toBe(2);
    expect(stderr).toContain("\nerror: not confirmed");
    expect((await cli.run("sandbox show demo")).code).toBe(0);
  });
});

describe("a full disk behind the output", () => {
  it.runIf(existsSync("/dev/full"))("is told in one line, with exit code 1", () => {
    const stdout = openSync("/dev/full", "w");
    onTestFinished(() => closeSync(stdout));
    const stdio: StdioOptions = ["ignore", stdout, "pipe"];
    const { status, stderr } = spawnSync(process.execPath, [PROGRAM, "version"], { encoding: "utf8", stdio });
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/^error: .*ENOSPC.*\n$/) });
  });
});

describe("an embedded sandbox that is added", () => {
  it("is waited for until it is up", async () => {
    const { cli, see, isAdded } = await held();
    let isBack = false;
    const adding = cli.run("sandbox add box --driver wasm --json").finally(() => (isBack = true));
    await eventually("it is added", isAdded);
    await see("starting");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(isBack).toBe(false);
    await see("up");
    const { stdout, stderr } = await adding;
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toMatchObject({ instances: [{ state: "up" }] });
  });

  it("is not waited for any longer when it is down, and that is said", async () => {
    const { cli, see, isAdded } = await held();
    const adding = cli.run("sandbox add box --driver wasm");
    await eventually("it is added", isAdded);
    await see("down");
    const { code, stderr } = await adding;
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: "warning: box is added, but it is down: the gateway's log says why\n",
    });
  });

  it("is not waited for with --no-wait", async () => {
    const { cli } = await held();
    expect(await cli.run("sandbox add box --driver wasm --no-wait")).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("audit", () => {
  it("search prints the newest of what is asked for, and says when there may be more", async () => {
    const cli = fresh();
    for (const id of ["a", "b", "c"]) await cli.run(`sandbox add ${id} --driver wasm`);
    await cli.run("sandbox remove b --yes");
    expect((await cli.run("audit search --sandbox b")).stdout).toMatch(/sandbox\.add {2}b\n.*sandbox\.remove {2}b\n$/);
    const two = await cli.run("audit search --action sandbox.add -n 2 --since 1h");
    expect(two.stdout).toMatch(/^\S+Z {2}cli:\S+ {2}sandbox\.add {2}b\n\S+Z {2}cli:\S+ {2}sandbox\.add {2}c\n$/);
    expect(two.stderr).toContain("the newest 2; there may be more");
    const none = await cli.run("audit search --until 2020-01-01");
    expect(none).toMatchObject({ code: 0, stdout: "", stderr: expect.stringContaining("no such records") });
  });

  it("show prints one record in full, and ends with 5 when there is none", async () => {
    const cli = fresh();
    await cli.run("sandbox add a --driver wasm");
    expect((await cli.run("audit show 1")).stdout).toMatch(/^record: +1\nat: +\S+Z\nkind: +admin\nactor: +cli:/);
    expect(await cli.json("audit show 1")).toMatchObject([{ seq: 1, action: "sandbox.add", target: "a" }]);
    for (const id of ["2", "req_unknown", "exe_unknown"]) {
      expect(await cli.run(`audit show ${id}`)).toMatchObject({ code: 5, stdout: "" });
    }
  });

  it("export writes every record that is asked for as NDJSON, the oldest first", async () => {
    const cli = fresh();
    for (const id of ["a", "b", "c"]) await cli.run(`sandbox add ${id} --driver wasm`);
    const { stdout } = await cli.run("audit export --action sandbox.add");
    const records = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(records.map(({ seq, target }) => [seq, target])).toEqual([
      [1, "a"],
      [2, "b"],
      [3, "c"],
    ]);
  });

  it("tail prints the newest records, one a line, and as NDJSON with their place in the chain", async () => {
    const cli = fresh();
    for (const id of ["a", "b", "c"]) await cli.run(`sandbox add ${id} --driver wasm`);
    const { stdout } = await cli.run("audit tail -n 2");
    expect(stdout).toMatch(/^\S+Z {2}cli:\S+ {2}sandbox\.add {2}b\n\S+Z {2}cli:\S+ {2}sandbox\.add {2}c\n$/);
    const lines = (await cli.run("audit tail -o json")).stdout.trim().split("\n");
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(records.map(({ seq, target }) => [seq, target])).toEqual([
      [1, "a"],
      [2, "b"],
      [3, "c"],
    ]);
  });

  it("tail counts records, also where several were committed together", async () => {
    const cli = fresh();
    await cli.run("sandbox add a --driver wasm");
    await addRecords(cli.data, 3);
    await addRecords(cli.data, 2);
    const tail = async (count: number): Promise<unknown[]> => {
      const { stdout } = await cli.run(`audit tail -o json -n ${count}`);
      return stdout.split("\n").flatMap((line) => (line === "" ? [] : [(JSON.parse(line) as { seq: number }).seq]));
    };
    for (const count of [0, 1, 2, 3, 5, 6, 100])
      expect(await tail(count)).toEqual([1, 2, 3, 4, 5, 6].slice(6 - Math.min(count, 6)));
  });

  it("tail -f goes on after the newest record and prints all that were committed together", async () => {
    const cli = fresh();
    await cli.run("sandbox add a --driver wasm");
    await addRecords(cli.data, 3);
    const tail = start(["audit", "tail", "-f", "-n", "1", "-o", "json"], { folder: cli.folder });
    onTestFinished(() => void tail.kill("SIGKILL"));
    const lines = createInterface({ input: tail.stdout })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toContain('"seq":4');
    await addRecords(cli.data, 2);
    await cli.run("sandbox add b --driver wasm");
    for (const seq of [5, 6, 7]) expect((await lines.next()).value).toContain(`"seq":${seq}`);
  });

  it("tail -f prints what another process adds", async () => {
    const cli = fresh();
    await cli.run("sandbox add first --driver wasm");
    const tail = start(["audit", "tail", "-f"], { folder: cli.folder });
    onTestFinished(() => void tail.kill("SIGKILL"));
    const lines = createInterface({ input: tail.stdout })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toContain("first");
    await cli.run("sandbox add second --driver wasm");
    expect((await lines.next()).value).toContain("second");
    tail.kill("SIGINT");
    expect(await once(tail, "exit")).toEqual([null, "SIGINT"]);
  });

  it("verify says that the chain is whole, and where it is broken", async () => {
    const cli = fresh();
    await cli.run("sandbox add a --driver wasm");
    expect((await cli.run("audit verify")).stdout).toBe("ok: 1 record, chain intact\n");
    for (const id of ["b", "c"]) await cli.run(`sandbox add ${id} --driver wasm`);
    expect(await cli.json("audit verify")).toMatchObject({ intact: true, records: 3 });
    expect((await cli.run("audit verify")).stdout).toBe("ok: 3 records, chain intact\n");
    const database = new Database(join(cli.data, "sandboxgw.db"));
    database.exec("UPDATE audit SET lines = replace(lines, 'cli:', 'api:') WHERE seq = 2");
    database.close();
    const { code, stdout, stderr } = await cli.run("audit verify");
    expect({ code, stdout }).toEqual({ code: 8, stdout: "" });
    expect(stderr).toContain("record 2");
  });

  it("finds nothing where no gateway was ever set up, and says so", async () => {
    const { code, stderr } = await fresh().run("audit verify");
    expect(code).toBe(5);
    expect(stderr).toContain("No gateway was set up here");
  });
});

/** What is left of a daemon for others to see: the lock, what it wrote, and an admin listener that tells its `trouble`. */
async function observedDaemon(data: string) {
  const folder = openDataFolder(data);
  const daemon: { trouble: string | undefined } = { trouble: undefined };
  const admin = new AdminListener({
    allows: () => true,
    notReady: () => daemon.trouble,
    metrics: () => Promise.reject(new Error("none")),
  });
  const store = openSqliteStore(folder.database);
  const instances = { ins_1: "up", ins_2: "down", ins_3: "up" };
  const admin_port = await admin.listen({ host: "127.0.0.1", port: 0 });
  const counts = { failures: 0, ejections: 1, probe_at_ms: 0 };
  const states = { ins_1: "closed", ins_2: "open", ins_3: "half-open" };
  const circuits = Object.fromEntries(Object.entries(states).map(([id, state]) => [id, { state, ...counts }]));
  await store.observed.put("daemon", JSON.stringify({ port: 1234, admin_port, instances, circuits }), 1);
  const lock = acquireDaemonLock(folder.lock);
  onTestFinished(async () => {
    await admin.close();
    await store.close();
  });
  return Object.assign(daemon, { admin, release: () => lock.release() });
}

describe("status", () => {
  it("says stopped with exit code 7, and running with what the daemon wrote and exit code 0", async () => {
    const cli = fresh();
    await cli.run("sandbox add box --driver wasm");
    expect(await cli.run("status")).toMatchObject({ code: 7, stdout: expect.stringMatching(/^status: +stopped\n/) });
    const daemon = await observedDaemon(cli.data);
    const running = await cli.run("status");
    expect(running.code).toBe(0);
    expect(running.stdout).toMatch(/^status: +running\n/);
    expect(running.stdout).toMatch(/\nport: +1234\n/);
    expect(running.stdout).toMatch(/\ninstances: +2 up, 1 down\n/);
    expect(running.stdout).toMatch(/\ncircuits: +1 open, 1 half-open\n/);
    daemon.release();
    expect((await cli.json("status"))["running"]).toBe(false);
  });

  it("asks the daemon itself whether it takes calls: with a full disk it cannot write down that it does not", async () => {
    const cli = fresh();
    await cli.run("sandbox add box --driver wasm");
    const daemon = await observedDaemon(cli.data);
    daemon.trouble = "audit records cannot be written";
    const failing = await cli.run("status");
    expect(failing.code).toBe(8);
    expect(failing.stdout).toMatch(/^status: +running, but takes no calls: audit records cannot be written\n/);
    expect(await cli.run("status -o json")).toMatchObject({ code: 8, stdout: expect.stringMatching(/"ready": false/) });
    await daemon.admin.close();
    expect(await cli.run("status")).toMatchObject({ code: 8, stdout: expect.stringContaining("does not answer") });
  });
});

describe("config", () => {
  it("print shows values with their origin and masks secrets", async () => {
    const secret = "this-is-a-secret-of-more-than-32-bytes";
    const cli = fresh({ GATEWAY_PORT: "9090", TOKEN_SECRET: secret });
    const { stdout } = await cli.run("config print --origin");
    expect(stdout).toMatch(/^GATEWAY_PORT +9090 +environment/m);
    expect(stdout).toMatch(/^TOKEN_SECRET +\*{8} +/m);
    expect(stdout).not.toContain(secret);
    expect((await cli.json("config print"))["GATEWAY_PORT"]).toBe("9090");
  });

  it("validate names file, line, key and the key that was meant, with exit code 3", async () => {
    const cli = fresh();
    writeFileSync(join(cli.folder, "sandboxgw.ini"), "GATEWAY_PORT=99999\nGATEWAY_WORKRES=2\n");
    const { code, stderr } = await cli.run("config validate");
    expect(code).toBe(3);
    expect(stderr).toMatch(/sandboxgw\.ini:1: GATEWAY_PORT: /);
    expect(stderr).toMatch(/sandboxgw\.ini:2: GATEWAY_WORKRES: .*GATEWAY_WORKERS/);
  });

  it("validate does not tell to run validate", async () => {
    const cli = fresh({ GATEWAY_PORT: "no" });
    const { stderr } = await cli.run("config validate");
    expect(stderr).toMatch(/hint: (?!.*config validate)/);
    expect((await cli.run("sandbox list")).stderr).toMatch(/hint: .*config validate/);
    expect((await cli.run("config validate --config nowhere.ini")).stderr).toMatch(/hint: .*--config/);
  });

  it("names a wrong variable once", async () => {
    const { stderr } = await fresh({ GATEWAY_PORT: "no" }).run("config validate");
    expect(stderr).toContain('\n  environment GATEWAY_PORT: "no" is not a whole number\n');
  });

  it("path prints the file that is read, even a broken one, or ends with 5", async () => {
    const cli = fresh();
    expect((await cli.run("config path")).code).toBe(5);
    const file = join(cli.folder, "sandboxgw.ini");
    writeFileSync(file, "GATEWAY_PORT=no\n");
    expect(await cli.run("config path")).toMatchObject({ code: 0, stdout: `${file}\n` });
  });
});

describe("a data folder that is not there", () => {
  it.each([
    ["status", 7],
    ["sandbox list", 5],
    ["sandbox show x", 5],
    ["sandbox remove x --yes", 5],
    ["instance list", 5],
    ["instance add x --url http://127.0.0.1:9000", 5],
    ["instance remove ins_x --yes", 5],
    ["token list", 5],
    ["token inspect tok_x", 5],
    ["token revoke tok_x", 5],
    ["audit tail", 5],
    ["audit verify", 5],
    ["audit search", 5],
    ["audit export", 5],
    ["audit show 1", 5],
  ])("is not made by what only reads or takes away: %s", async (line, code) => {
    const cli = fresh();
    const ran = await cli.run(line);
    expect(ran.code).toBe(code);
    expect(existsSync(cli.data)).toBe(false);
    expect(ran.stderr + ran.stdout).toMatch(/no gateway was/i);
  });

  it.each(["token create --sub a --role viewer", "token create --sub a --role viewer -o json"])(
    "is made by what fills it, and that is said, for its tokens are good nowhere else: %s",
    async (line) => {
      const cli = fresh();
      const { code, stderr } = await cli.run(line);
      expect(code).toBe(0);
      expect(stderr).toContain(`warning: made a new data folder ${cli.data}; no gateway uses it\n`);
      expect((await cli.run("token create --sub a --role viewer")).stderr).not.toContain("made a new");
    },
  );

  it("is not made when the command line itself is wrong", async () => {
    const cli = fresh();
    expect((await cli.run("token create --sub a")).code).toBe(2);
    expect((await cli.run("token create --sub a --role viewer --expires never")).code).toBe(2);
    expect(existsSync(cli.data)).toBe(false);
  });

  it("an empty folder counts as none, and is left as it was", async () => {
    const cli = fresh();
    mkdirSync(cli.data, { mode: 0o755 });
    expect((await cli.run("sandbox list")).code).toBe(5);
    expect(readdirSync(cli.data)).toEqual([]);
    expect(statSync(cli.data).mode & 0o777).toBe(0o755);
  });
});

describe("a data folder that no daemon uses", () => {
  it("is named to a person, also when the command fails, and not in JSON", async () => {
    const cli = fresh();
    await cli.run("sandbox add box --driver wasm");
    const told = `note: no gateway runs on ${cli.data}\n`;
    for (const line of ["sandbox list", "token list", "token revoke tok_x", "sandbox add y --driver wasm"])
      expect((await cli.run(line)).stderr).toContain(told);
    expect((await cli.run("sandbox list --json")).stderr).toBe("");
    const lock = acquireDaemonLock(join(cli.data, "daemon.lock"));
    onTestFinished(() => lock.release());
    expect((await cli.run("sandbox list")).stderr).toBe("");
  });
});

describe("a wrong command line", () => {
  it.each([
    ["tokn list", "Did you mean token?"],
    ["token creat --sub a --role viewer", "Did you mean create?"],
    ["tokn --help", "Did you mean token?"],
    ["token creat --help", "Did you mean create?"],
    ["help tokn", "Did you mean token?"],
    ["help token creat", "Did you mean create?"],
    ["token create --subb a", "Did you mean --sub?"],
    ["token create --sub a", "option --role is missing"],
    ["instance add py", "option --url is missing"],
    ["token list extra", "too many arguments"],
    ["token list -o yaml", "table, json"],
    ["token create --sub a --role viewer --expires soon", '--expires: "soon"'],
    ["token create --sub a --role boss", "admin, operator, executor, viewer"],
    ["sandbox add py", "at least one URL"],
    ["sandbox add py", "hint: Add --url http://host:port, or --driver wasm for an embedded sandbox"],
    ["sandbox add py http://127.0.0.1:9000", "hint: Put --url before the address: --url http://127.0.0.1:9000"],
    ["instance add py http://127.0.0.1:9000", "hint: Put --url before the address: --url http://127.0.0.1:9000"],
    ["audit tail -n many", '--lines: "many"'],
    ["audit search -n 0", '--lines: "0"'],
    ["audit search --since 3600", '--since: "3600" is neither a date nor a duration with a unit'],
    ["audit search --since 1h --until 2h", "is not before --until"],
    ["audit search --decision denied", '--decision: "denied" is not one of: allow, deny'],
    ["audit search --kind prox", "did you mean proxy?"],
    ["audit search --rule auth_01", "did you mean AUTH_001?"],
    ["audit search --action sandbox.ad", "did you mean sandbox.add?"],
    ["audit export --status 4x", '--status: "4x" is no status'],
    ["audit export --subjct a", "Did you mean --subject?"],
    ["audit show 0", "0 is neither a record's number nor an id like req_… or exe_…"],
  ])("ends with 2 and says what is wrong: %s", async (line, expected) => {
    const { code, stdout, stderr } = await fresh().run(line);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(expected);
  });

  it.each([
    ["tokn list", "sandboxgw --help"],
    ["token creat", "sandboxgw token --help"],
    ["token create --subb a", "sandboxgw token create --help"],
    ["token create --sub a", "sandboxgw token create --help"],
    ["instance rm", "sandboxgw instance remove --help"],
    ["serve now", "sandboxgw serve --help"],
  ])("names the help that helps: %s", async (line, help) => {
    expect((await fresh().run(line)).stderr).toContain(`\nhint: See ${help}\n`);
  });

  it("is reported as JSON in JSON mode", async () => {
    const cli = fresh();
    await cli.run("sandbox add box --driver wasm");
    const { code, stderr } = await cli.run("token revoke tok_unknown --json");
    expect(code).toBe(5);
    expect(JSON.parse(stderr)).toEqual({
      error: { code: "ROUTE_005", message: "Unknown token", details: "tok_unknown", hint: expect.any(String) },
    });
  });

  it("shows the help of a noun without a verb", async () => {
    const { code, stdout, stderr } = await fresh().run("token");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/Commands:\n +create/);
  });
});

describe("help", () => {
  it.each([
    "--help",
    ...[
      "serve",
      "status",
      "token",
      "token create",
      "sandbox",
      "instance remove",
      "audit tail",
      "config",
      "version",
    ].map((command) => `${command} --help`),
  ])("names the options that every command takes: %s", async (line) => {
    const { stdout } = await fresh().run(line);
    for (const option of ["-o, --output <format>", "--json", "--data-dir <folder>", "--config <file>"])
      expect(stdout).toContain(`  ${option}`);
  });

  it.each(["token", "sandbox", "instance", "audit", "config"])("of a noun has examples: %s", async (noun) => {
    const { stdout } = await fresh().run(`${noun} --help`);
    expect(stdout).toMatch(/Examples:\n {2}sandboxgw /);
  });

  it.each(["--help", "help token create", "token create --help", "sandbox add -h"])(
    "comes with examples: %s",
    async (line) => {
      const { code, stdout } = await fresh().run(line);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^Usage: sandboxgw/);
      expect(stdout).toMatch(/Examples:\n {2}sandboxgw /);
    },
  );
});

describe("a broken data folder", () => {
  it("is refused with a reason a person can act on", async () => {
    const cli = fresh();
    mkdirSync(cli.data, { mode: 0o700 });
    writeFileSync(
      join(cli.data, "sandboxgw.db"),
      "garbage, but enough of it to not be taken for an empty file".repeat(20),
    );
    const { code, stderr } = await cli.run("sandbox list");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: The database is damaged\n.*sandboxgw\.db/);
    expect(stderr).toContain("hint: Restore");
  });
});

describe("start-up", () => {
  it("loads neither server, client, logger nor embedded sandbox to print the version or make a token", async () => {
    const folder = temporaryFolder();
    const trace = join(folder, "loaded.mjs");
    writeFileSync(
      trace,
      `import { registerHooks } from "node:module";
       registerHooks({ load(url, context, next) { process._rawDebug("LOADED " + url); return next(url, context); } });`,
    );
    const env = { NODE_OPTIONS: `--import=${trace}` };
    for (const line of ["--version", "token create --sub a --role viewer"]) {
      const { code, stderr } = await runAlone(line.split(" "), { folder, env });
      expect(code).toBe(0);
      expect(stderr).toContain("LOADED");
      expect(stderr).not.toMatch(/LOADED .*node_modules\/(undici|prom-client|pino|just-bash|zod|ink)\//);
    }
  });
});

describe("link", () => {
  it("is printed alone on stdout, once, listed, and revoked one by one or all at once", async () => {
    const cli = fresh({ PUBLIC_URL: "https://gw.example", GATEWAY_DOMAIN: "box.example" });
    await cli.run("sandbox add web --url http://127.0.0.1:1 --ports 8000-8010");
    const made = await cli.run("link create web --sub ada --path /reports --methods get --port 8001 --expires 8h");
    expect(made.stdout).toMatch(/^https:\/\/gw\.example\/s\/web:8001\/reports\?sgw_link=[\w-]+\.[\w-]{43}\n$/);
    const byHost = await cli.json("link create web --by-host");
    expect(byHost["url"]).toMatch(/^https:\/\/web\.box\.example\/\?sgw_link=/);
    const { stdout } = await cli.run("link list");
    expect(stdout).toMatch(/^ID +SUBJECT +SANDBOX +PORT +PATH +METHODS +STATUS +EXPIRES +KEY\n/);
    expect(stdout).toMatch(/ada +web +8001 +\/reports +GET +active +in (8h|7h 59m) +lky_/);
    expect(stdout).not.toContain("sgw_link");
    expect(await cli.json(`link revoke ${String(byHost["id"])}`)).toMatchObject({ status: "revoked" });
    expect(await cli.json("link revoke --all")).toEqual({ revoked: 1 });
    expect((await cli.run("link list")).stdout).not.toContain("active");
  });

  it.each([
    ["link create web --path reports", 2],
    ["link create web --path /a/../b", 2],
    ["link create web --path /a//b", 2],
    ["link create none", 5],
    ["link create web --port 9", 5],
    ["link create web --port 0", 2],
    ["link create web --methods BREW", 2],
    ["link create web --expires soon", 2],
    ["link create web --by-host", 2],
    ["link create web --base-url gw.example", 2],
    ["link revoke", 2],
    ["link revoke lnk_1 --all", 2],
    ["link revoke lnk_1", 5],
  ])("is not made or revoked by %j", async (line, code) => {
    const cli = fresh();
    await cli.run("sandbox add web --url http://127.0.0.1:1");
    const { code: found, stderr } = await cli.run(line);
    expect(stderr).toMatch(/^error: /m);
    expect(found).toBe(code);
  });
});

describe("session", () => {
  it("lists what is open, and kills one or all of a subject", async () => {
    const cli = fresh();
    await cli.run("token create --sub ada --role viewer");
    expect((await cli.run("session list")).stdout).toMatch(
      /^ID +SUBJECT +ROLE +SANDBOXES +OPERATIONS +FROM +AGE +USED/,
    );
    expect(await cli.json("session kill --sub ada")).toEqual({ subject: "ada", killed: [] });
    expect((await cli.run("session kill ses_1")).code).toBe(5);
    expect((await cli.run("session kill")).code).toBe(2);
    expect((await cli.run("session kill ses_1 --sub ada")).code).toBe(2);
  });
});
