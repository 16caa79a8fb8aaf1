import fs from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { descendantsOf } from "../../support/processes.ts";
import { EmbeddedSandbox } from "./embedded-sandbox.ts";

// What must stay out of reach: a file, a listening port and an environment variable of the machine.
const sandbox = new EmbeddedSandbox();
const secret = path.join(sandbox.folder, "secret.txt");
let connections = 0;
const server = createServer((socket) => {
  connections += 1;
  socket.end();
});
let port = 0;

beforeAll(async () => {
  fs.writeFileSync(secret, "host file");
  process.env.SANDBOXGW_TEST_SECRET = "host variable";
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
  await sandbox.start();
});
afterAll(async () => {
  await sandbox.close();
  server.close();
});

/** Python that tries each expression and prints as JSON what came of it. */
function attempts(expressions: Record<string, string>): string {
  const tries = Object.entries(expressions).map(([name, expression]) => [
    `try: out[${JSON.stringify(name)}] = repr(${expression})`,
    `except BaseException as e: out[${JSON.stringify(name)}] = type(e).__name__`,
  ]);
  return ["import json, importlib, os", "out = {}", ...tries.flat(), "print(json.dumps(out))"].join("\n");
}

describe.concurrent("python", () => {
  test("has no way to the host's files, network, processes or JavaScript", async () => {
    const marker = path.join(sandbox.folder, "made-by-python");
    const outcome = await sandbox.python(
      attempts({
        js: "importlib.import_module('js')",
        pyodide: "importlib.import_module('pyodide_js')",
        ctypes: "importlib.import_module('ctypes')",
        file: `open(${JSON.stringify(secret)}).read()`,
        fileBelowMount: `open('/host' + ${JSON.stringify(secret)}).read()`,
        fileThroughParent: `open('/home/../..' + ${JSON.stringify(secret)}).read()`,
        fileThroughPosix: `os.fdopen(os.open(${JSON.stringify(secret)}, os.O_RDONLY)).read()`,
        hostname: "open('/etc/hostname').read()",
        environ: "open('/proc/self/environ').read()",
        cmdline: "open('/proc/1/cmdline').read()",
        socket: `__import__('socket').create_connection(('127.0.0.1', ${port}), timeout=2)`,
        http: `__import__('urllib.request').request.urlopen('http://127.0.0.1:${port}/', timeout=2)`,
        httpBridge: `importlib.import_module('jb_http').get('http://127.0.0.1:${port}/')`,
        subprocess: "__import__('subprocess').run(['ls'])",
        fork: "os.fork()",
        system: `os.system(${JSON.stringify(`echo x > ${marker}`)}) and open(${JSON.stringify(marker)})`,
        exec: "os.execv('/bin/sh', ['sh'])",
      }),
    );
    expect(outcome.stderr).toBe("");
    const results: Record<string, string> = JSON.parse(outcome.stdout);
    for (const [name, result] of Object.entries(results)) {
      expect(`${name}: ${result}`).toMatch(/(Error|Exception)$/);
    }
    expect(Object.keys(results)).toHaveLength(17);
    expect(fs.existsSync(marker)).toBe(false);
    expect(connections).toBe(0);
  });
});

describe.concurrent("javascript", () => {
  test("has no way to the host's files, network, modules or global object", async () => {
    const code = `
      const out = {};
      const attempt = (name, work) => { try { out[name] = String(work()); } catch (e) { out[name] = "refused"; } };
      attempt("file", () => require("fs").readFileSync(${JSON.stringify(secret)}, "utf8"));
      attempt("net", () => require("net").connect(${port}));
      attempt("http", () => require("http").get("http://127.0.0.1:${port}"));
      attempt("worker", () => require("worker_threads").Worker);
      attempt("cat", () => require("child_process").execSync("cat ${secret}"));
      attempt("function", () => ({}).constructor.constructor("return process")());
      attempt("async", () => (async () => {}).constructor("return process")());
      attempt("binding", () => process.binding("fs"));
      attempt("mainModule", () => process.mainModule.require("fs"));
      attempt("import", () => eval("1"));
      const env = JSON.stringify(process.env);
      fetch("http://127.0.0.1:${port}").then(() => { out.fetch = "reached" }, () => { out.fetch = "refused" })
        .then(() => console.log(JSON.stringify({ out, env })));`;
    const { out, env }: { out: Record<string, string>; env: string } = JSON.parse(
      (await sandbox.javascript(code)).stdout,
    );
    expect(new Set(Object.values(out))).toEqual(new Set(["refused"]));
    expect(Object.keys(out)).toHaveLength(11);
    expect(env).not.toContain("host variable");
    expect(connections).toBe(0);
  });
});

describe.concurrent("bash", () => {
  test("has no way to the host's files, network or variables", async () => {
    const script = `cat ${secret}; cat < ${secret}; ls ${sandbox.folder}; cat /proc/self/environ /proc/1/cmdline; env
      curl http://127.0.0.1:${port}; echo x > /dev/tcp/127.0.0.1/${port}; nc 127.0.0.1 ${port}; node -e 1; exec /bin/sh -c 'cat ${secret}'`;
    const { stdout, stderr } = await sandbox.bash(script);
    expect(stdout).not.toMatch(/host file|host variable|secret\.txt|sandboxgw/);
    expect(stderr).toContain("curl: command not found");
    expect(connections).toBe(0);
  });

  test("writes nothing to the host", async () => {
    const marker = path.join(sandbox.folder, "written");
    expect((await sandbox.bash(`mkdir -p ${sandbox.folder}; echo x > ${marker}; cat ${marker}`)).stdout).toBe("x\n");
    expect(fs.existsSync(marker)).toBe(false);
  });
});

test("nothing is left from one run to the next", async () => {
  const leave = "import builtins, os\nbuiltins.left = 1\nopen('/tmp/left', 'w').write('x')\nos.environ['LEFT'] = 'x'";
  expect((await sandbox.python(leave)).status).toBe("ok");
  await sandbox.bash("export LEFT=1; left() { :; }; echo x > /home/user/left; alias left=ls");
  const look =
    "import builtins, os\nprint(hasattr(builtins, 'left'), os.path.exists('/tmp/left'), 'LEFT' in os.environ)";
  expect((await sandbox.python(look)).stdout).toBe("False False False\n");
  expect((await sandbox.bash('echo "[$LEFT]"; ls /home/user /tmp; type left')).stdout).toBe(
    "[]\n/home/user:\n\n/tmp:\n",
  );
});

test("the processes near the code have no environment", async () => {
  const host = sandbox.hostPid();
  await sandbox.bash("true"); // then the next runner is made ready
  await vi.waitFor(() => {
    const [runner] = descendantsOf(host);
    expect(runner).toBeDefined();
    expect(environmentOf(Number(runner))).toEqual([]);
  });
  for (const variable of environmentOf(host)) expect(variable).toMatch(/^NODE_CHANNEL_/); // made by Node for the IPC channel
});

test("only the owner can reach the socket", () => {
  expect(fs.statSync(path.join(sandbox.folder, "ins_1.sock")).mode & 0o077).toBe(0);
});

function environmentOf(pid: number): string[] {
  return fs.readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").filter(Boolean);
}
