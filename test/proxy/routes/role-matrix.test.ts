import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { parseGrant } from "../../../src/domain/role/grant-text.ts";
import { BUILT_IN_NAMES } from "../../../src/domain/role/role.ts";
import type { Route } from "../../../src/proxy/routes/router.ts";
import { KINDS, type Shown } from "../../support/credential-kinds.ts";
import { ACTOR, startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { startUpstream } from "../../support/upstream.ts";

const PLACES = { own: "box", foreign: "not", absent: "nil" } as const;
type Place = keyof typeof PLACES;

interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

type Outcome = readonly [status: number, code: string];

/** What a role gives, told apart from how the gateway decides it. */
interface May {
  readonly executes: readonly string[];
  readonly proxies: readonly string[];
  readonly lists: boolean;
}

const RAW = ["GET", "POST"];
const RUNS = ["run_code", "run_command"];
const NOTHING: May = { executes: [], proxies: [], lists: false };
const ROLES: Readonly<Record<string, May>> = {
  admin: { executes: RUNS, proxies: RAW, lists: true },
  operator: { executes: RUNS, proxies: RAW, lists: true },
  executor: { executes: RUNS, proxies: RAW, lists: true },
  viewer: { ...NOTHING, lists: true },
  runner: { ...NOTHING, executes: ["run_code"] },
  reader: { ...NOTHING, proxies: ["GET"], lists: true },
};
/** What a link or ticket gives, of whomever. */
const LINK: May = { ...NOTHING, proxies: RAW };

interface Endpoint {
  readonly call: (place: Place) => Call;
  readonly outcome: (may: May, place: Place, kind: string) => Outcome;
}

const FINE = (status = 200): Outcome => [status, ""];
const NO_SANDBOX: Outcome = [404, "ROUTE_001"];
const NO_PAGE: Outcome = [404, "ROUTE_002"];
const DENIED: Outcome = [403, "AUTH_003"];
/** Where sandboxes have hosts of their own, a session opens them there, and pages of the gateway's own origin nowhere else. */
const NOT_BY_PATH: Outcome = [403, "AUTH_011"];
const isSession = (kind: string): boolean => kind.startsWith("a session");

function proxied(method: string, unknown: Outcome, call: (id: string) => Omit<Call, "method">): Endpoint {
  return {
    call: (place) => ({ method, ...call(PLACES[place]) }),
    outcome: ({ proxies }, place, kind) => {
      if (isSession(kind) && call("").path !== "/") return NOT_BY_PATH;
      if (proxies.length === 0) return DENIED;
      if (place !== "own") return unknown;
      return proxies.includes(method) ? FINE() : DENIED;
    },
  };
}

function execute(operation: string): Endpoint {
  const payload = operation === "run_code" ? { code: "1" } : { command: "ls" };
  return {
    call: (place) => ({
      method: "POST",
      path: "/api/v1/sandbox/execute",
      body: { sandbox_id: PLACES[place], operation, payload },
    }),
    outcome: ({ executes }, place) => {
      if (executes.length === 0) return DENIED;
      if (place !== "own") return NO_SANDBOX;
      return executes.includes(operation) ? FINE() : [403, "AUTH_004"];
    },
  };
}

/** Of every kind of route that the router knows: a new kind does not compile without its line here. */
const ENDPOINTS = {
  proxy: [
    proxied("GET", NO_SANDBOX, (id) => ({ path: `/s/${id}/` })),
    proxied("POST", NO_SANDBOX, (id) => ({ path: `/s/${id}/` })),
    proxied("GET", NO_SANDBOX, (id) => ({ path: "/", headers: { host: `${id}.gw.example` } })),
    proxied("POST", NO_SANDBOX, (id) => ({ path: "/", headers: { "x-sandbox-id": id } })),
    {
      call: (place) => ({ method: "GET", path: `/app/${PLACES[place]}/` }),
      outcome: ({ proxies, executes, lists }, place, kind) => {
        const sees = proxies.length > 0 || executes.length > 0 || lists;
        if (place !== "own" || !sees) return NO_PAGE;
        if (isSession(kind)) return NOT_BY_PATH;
        return proxies.length > 0 ? FINE() : DENIED;
      },
    },
  ],
  select: [
    proxied("GET", [404, "ROUTE_010"], (id) => ({ path: "/", headers: { "x-sandbox-selector": `name=${id}` } })),
    {
      call: (place) => ({ method: "POST", path: "/", headers: { "x-sandbox-selector": `name=${PLACES[place]}` } }),
      outcome: ({ proxies }, place) => {
        if (proxies.length === 0) return DENIED;
        return place === "own" && proxies.includes("POST") ? FINE() : [404, "ROUTE_010"];
      },
    },
  ],
  execute: RUNS.map(execute),
  sandboxes: [
    {
      call: () => ({ method: "GET", path: "/api/v1/sandboxes" }),
      outcome: ({ lists }) => (lists ? FINE() : DENIED),
    },
  ],
  tickets: [
    {
      call: (place) => ({ method: "POST", path: "/api/v1/tickets", body: { sandbox_id: PLACES[place] } }),
      outcome: ({ proxies }, place) => {
        if (proxies.length === 0) return DENIED;
        return place === "own" ? FINE(201) : NO_SANDBOX;
      },
    },
  ],
  session: [
    {
      call: () => ({ method: "GET", path: "/api/v1/session" }),
      outcome: (_may, _place, kind) => (isSession(kind) ? FINE() : [404, "ROUTE_017"]),
    },
  ],
  none: [{ call: () => ({ method: "GET", path: "/nowhere" }), outcome: () => NO_PAGE }],
} satisfies Record<Route["kind"], readonly Endpoint[]>;

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly bytes: string;
}

/** Without what differs from call to call. */
function comparable(headers: IncomingHttpHeaders, body: string): string {
  const { date: _date, "x-request-id": id = "", ...others } = headers;
  return `${JSON.stringify(others)}\n${body}`.replaceAll(String(id), "req");
}

function answerTo(port: number, agent: Agent, { method, path, headers, body }: Call, shown: Shown): Promise<Answer> {
  const text = body === undefined ? "" : JSON.stringify(body);
  const own = text === "" ? {} : { "content-type": "application/json" };
  const all = {
    "sec-fetch-site": "same-origin",
    "content-length": Buffer.byteLength(text),
    ...shown.headers,
    ...headers,
    ...own,
  };
  const target = `${path}${shown.query ?? ""}`;
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, agent, method, path: target, headers: all }, (res) => {
      const chunks: Buffer[] = [];
      res.on("data", (chunk: Buffer) => chunks.push(chunk));
      res.on("error", reject);
      res.on("end", () => {
        const answered = Buffer.concat(chunks).toString();
        const code = /^\{"error":\{"code":"(\w+)"/.exec(answered)?.[1] ?? "";
        resolve({ status: res.statusCode ?? 0, code, bytes: comparable(res.headers, answered) });
      });
    })
      .on("error", reject)
      .end(text);
  });
}

async function start(): Promise<{ gateway: TestGateway; agent: Agent }> {
  const upstream = await startUpstream((req, res) => {
    req.resume();
    res.setHeader("content-type", "application/json");
    res.end('{"status":"ok","stdout":"","stderr":"","exit_code":0}');
  });
  const gateway = await startTestGateway({ env: { GATEWAY_DOMAIN: "gw.example", MAX_CONNECTIONS_PER_IP: "100" } });
  const { verbs, feed } = gateway;
  for (const id of [PLACES.own, PLACES.foreign]) {
    const plain = { id, runtime: "generic", driver: "static", strategy: null, urls: [upstream] };
    await verbs.sandboxes.create(ACTOR, { ...plain, labels: `name=${id}` });
    await verbs.routes.create(ACTOR, {
      sandboxId: id,
      host: null,
      path: `/app/${id}`,
      methods: null,
      stripPrefix: true,
    });
  }
  const runner = { name: "runner", grants: [parseGrant("sandbox:execute sandboxes=b*x operations=run_code")] };
  const reader = { name: "reader", grants: [parseGrant("sandbox:proxy,sandbox:read labels=name=box methods=GET")] };
  for (const role of [runner, reader]) await verbs.roles.create(ACTOR, role);
  await feed.wake();
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  onTestFinished(() => agent.destroy());
  return { gateway, agent };
}

test("every role, at every endpoint, for its own, another's and no sandbox, by every kind of credential", async () => {
  const { gateway, agent } = await start();
  const cells: Promise<[name: string, answer: Answer, outcome: Outcome]>[] = [];
  const alike: Promise<[name: string, foreign: string, absent: string]>[] = [];
  for (const kind of KINDS) {
    for (const [role, given] of Object.entries(ROLES)) {
      if (kind.isLink && role !== "executor") continue;
      const sandboxes = BUILT_IN_NAMES.includes(role) ? ["box"] : null;
      const { shown } = await kind.issue(gateway, 3_600_000, { subject: `${role} by ${kind.name}`, role, sandboxes });
      const may = kind.isLink ? LINK : given;
      for (const [where, endpoints] of Object.entries(ENDPOINTS)) {
        for (const [index, endpoint] of endpoints.entries()) {
          const answers = (Object.keys(PLACES) as Place[]).map((place) => {
            const name = `${role} by ${kind.name}: ${where} ${index} ${place}`;
            const answer = answerTo(gateway.port, agent, endpoint.call(place), shown);
            cells.push(answer.then((found) => [name, found, endpoint.outcome(may, place, kind.name)]));
            return { name, answer };
          });
          alike.push(
            Promise.all(answers.map(({ answer }) => answer)).then(([, foreign, absent]) => [
              answers[1]?.name ?? "",
              foreign?.bytes ?? "",
              absent?.bytes ?? "",
            ]),
          );
        }
      }
    }
  }
  const found = await Promise.all(cells);
  const wrong = found
    .filter(([, { status, code }, outcome]) => status !== outcome[0] || code !== outcome[1])
    .map(([name, { status, code }, outcome]) => `${name}: ${status} ${code}, not ${outcome.join(" ")}`);
  expect(wrong).toEqual([]);
  const told = (await Promise.all(alike)).filter(([, foreign, absent]) => foreign !== absent || foreign === "");
  expect(told).toEqual([]);
  const listed = found.filter(([name, { bytes }]) => name.includes("sandboxes") && bytes.includes('"not"'));
  expect(listed).toEqual([]);
  expect(found.length).toBeGreaterThan(1_000);
});
