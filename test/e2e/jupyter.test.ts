import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { ACTOR, startTestGateway } from "../support/gateway.ts";
import { readAll } from "../support/upstream.ts";

const JUPYTER = "/usr/bin/jupyter-server";
const SECRET = "of-jupyter-itself";
const PATIENCE = 30_000;

const running: { child: ChildProcess; home: string }[] = [];

/** A Jupyter server that knows its base URL. Returns its own URL when it answers. */
async function startJupyter(baseUrl: string): Promise<string> {
  const port = await freePort();
  const home = mkdtempSync(join(tmpdir(), "sandboxgw-jupyter-"));
  const settings = { ip: "127.0.0.1", port, port_retries: 0, base_url: baseUrl, root_dir: home };
  const options = Object.entries(settings).map(([name, value]) => `--ServerApp.${name}=${value}`);
  const child = spawn(JUPYTER, [...options, "--ServerApp.allow_remote_access=True", "--no-browser", "--allow-root"], {
    env: { PATH: "/usr/bin:/bin", HOME: home, JUPYTER_TOKEN: SECRET },
    stdio: ["ignore", "ignore", "pipe"],
    detached: true, // to be ended with its kernels
  });
  running.push({ child, home });
  const log: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      log.push(line);
      if (line.includes(`http://127.0.0.1:${port}${baseUrl}`)) resolve();
    });
    child.once("exit", (code) => reject(new Error(`jupyter-server ended with ${code}: ${log.join("\n")}`)));
  });
  return `http://127.0.0.1:${port}`;
}

interface Message {
  readonly header: { readonly msg_type: string };
  readonly parent_header: { readonly msg_id?: string };
  readonly content: Readonly<Record<string, unknown>>;
}

/** A kernel's channels over a WebSocket. */
class Kernel {
  readonly #socket: WebSocket;
  readonly #got: Message[] = [];

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer) => this.#got.push(JSON.parse(String(data)) as Message));
  }

  /** Begins a cell; returns what came of it so far, whenever it is asked. */
  execute(code: string): () => Message[] {
    const id = crypto.randomUUID();
    const header = { msg_id: id, msg_type: "execute_request", username: "", session: "one", version: "5.3", date: "" };
    const content = { code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false };
    this.#socket.send(
      JSON.stringify({ header, parent_header: {}, metadata: {}, content, channel: "shell", buffers: [] }),
    );
    return () => this.#got.filter(({ parent_header: parent }) => parent.msg_id === id);
  }
}

/** What a cell printed so far. */
function printed(messages: Message[]): string {
  return messages.map(({ header, content }) => (header.msg_type === "stream" ? String(content["text"]) : "")).join("");
}

function hasReplied(messages: Message[]): boolean {
  return messages.some(({ header }) => header.msg_type === "execute_reply");
}

const WHERE = [
  { by: "path", baseUrl: "/s/lab/", host: "gate.example", settings: { "keep-prefix": "true" } },
  { by: "host", baseUrl: "/", host: "lab.boxes.example", settings: {} },
] as const;

describe.skipIf(!existsSync(JUPYTER))("Jupyter (skipped where Debian's package jupyter-server is missing)", () => {
  let servers: readonly string[];
  beforeAll(async () => {
    servers = await Promise.all(WHERE.map(({ baseUrl }) => startJupyter(baseUrl)));
  });
  afterAll(() => {
    for (const { child, home } of running) {
      process.kill(-(child.pid as number), "SIGKILL");
      rmSync(home, { recursive: true, force: true });
    }
  });

  /** A gateway before the server that stands at this place; `headers`: what its client sends. */
  async function lab({ by, baseUrl, host, settings }: (typeof WHERE)[number]) {
    const gateway = await startTestGateway({ env: { GATEWAY_DOMAIN: "boxes.example" } });
    await gateway.addSandbox("lab", servers[by === "path" ? 0 : 1] as string);
    await gateway.verbs.sandboxes.update(ACTOR, "lab", { settings: { ...settings, "host-header": "client" } });
    await gateway.feed.wake();
    const token = (await gateway.authorization()).replace("Bearer ", "");
    const headers = { host, origin: `http://${host}`, "x-sandbox-token": token, authorization: `token ${SECRET}` };
    return { root: `127.0.0.1:${gateway.port}${baseUrl}`, headers };
  }

  test.each(WHERE)("shows its pages by $by, with its own redirects, cookie, token and files", async (where) => {
    const { root, headers } = await lab(where);
    const { baseUrl } = where;
    const stranger = await ask("GET", `http://${root}files/a.txt`, {
      headers: { ...headers, authorization: "token no" },
    });
    expect([stranger.status, stranger.headers.location]).toEqual([
      302,
      expect.stringMatching(new RegExp(`^${baseUrl}login\\?next=`)),
    ]);
    const content = { type: "file", format: "text", content: "through the gateway" };
    const put = await ask("PUT", `http://${root}api/contents/a%20b.txt`, { headers, body: JSON.stringify(content) });
    expect([put.status, put.headers.location]).toEqual([201, `${baseUrl}api/contents/a%20b.txt`]);
    const file = await ask("GET", `http://${root}files/a%20b.txt`, { headers });
    expect([file.status, file.body]).toEqual([200, "through the gateway"]);
    expect(file.headers["set-cookie"]).toEqual([expect.stringMatching(new RegExp(`^username-.*; Path=${baseUrl}$`))]);
  });

  test.each(WHERE)("runs cells in a kernel by $by: output as it is printed, and an interrupt", async (where) => {
    const { root, headers } = await lab(where);
    const begun = await ask("POST", `http://${root}api/kernels`, { headers, body: '{"name":"python3"}' });
    expect(begun.status).toBe(201);
    const { id } = JSON.parse(begun.body) as { id: string };
    const socket = new WebSocket(`ws://${root}api/kernels/${id}/channels`, { headers });
    onTestFinished(() => socket.terminate());
    const kernel = new Kernel(socket);
    await once(socket, "open");

    const cell = kernel.execute("import time\nprint('working', flush=True)\ntime.sleep(60)");
    await eventually("the cell prints while it runs", () => printed(cell()) === "working\n", PATIENCE);
    expect(hasReplied(cell())).toBe(false);
    const interrupted = await ask("POST", `http://${root}api/kernels/${id}/interrupt`, { headers });
    expect(interrupted.status).toBe(204);
    await eventually("the interrupt ends the cell", () => hasReplied(cell()), PATIENCE);
    expect(cell().map(({ content }) => content["ename"])).toContain("KeyboardInterrupt");

    const next = kernel.execute("'x' * 1_000_000");
    const result = () => next().find(({ header }) => header.msg_type === "execute_result")?.content["data"];
    await eventually("the next cell has its result", () => result() !== undefined, PATIENCE);
    expect(JSON.stringify(result())).toHaveLength(1_000_000 + JSON.stringify({ "text/plain": "''" }).length);
    expect((await ask("DELETE", `http://${root}api/kernels/${id}`, { headers })).status).toBe(204);
  });
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A request with fields that fetch sets itself. */
async function ask(
  method: string,
  url: string,
  { headers, body = "" }: { headers: Record<string, string>; body?: string },
): Promise<Answer> {
  const call = request(url, { method, headers }).end(body);
  const [answer] = (await once(call, "response")) as [IncomingMessage];
  return { status: answer.statusCode, headers: answer.headers, body: await readAll(answer) };
}
