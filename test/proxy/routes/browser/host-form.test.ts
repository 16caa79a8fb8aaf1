import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { ACTOR, startTestGateway, type TestGateway } from "../../../support/gateway.ts";
import { startUpstream } from "../../../support/upstream.ts";

const DOMAIN = "boxes.example";
const NAVIGATION = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": "none" };
const FETCH = { "sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "sec-fetch-site": "same-origin" };

/** A gateway whose sandboxes are hosts too, before an instance that tells what it was asked. */
async function opened(env: Record<string, string> = {}) {
  const gateway = await startTestGateway({ env: { GATEWAY_DOMAIN: DOMAIN, TOKEN_CLOCK_SKEW: "0", ...env } });
  const seen: string[] = [];
  const url = await startUpstream((req, res) => {
    seen.push(`${req.url} ${req.headers.cookie ?? ""}`.trim());
    res.end("fine");
  });
  for (const id of ["box", "other", "Odd"]) await gateway.addSandbox(id, url);
  return { gateway, seen };
}

type Fields = Record<string, string>;

async function ask({ url }: TestGateway, path: string, headers: Fields, method = "GET") {
  const asking = request(url + path, { method, headers: { host: "gw.example", ...headers }, agent: false });
  asking.end();
  const [response] = (await once(asking, "response")) as [IncomingMessage];
  const { statusCode: status, headers: fields } = response;
  return { status, fields, cookie: fields["set-cookie"]?.[0] ?? "", body: await text(response) };
}

async function session(gateway: TestGateway, narrowed: { sandboxes?: string[] } = {}) {
  const authorization = await gateway.authorization("executor", narrowed);
  const { cookie, body } = await ask(gateway, "/api/v1/session", { authorization }, "POST");
  const { session_id: id } = JSON.parse(body) as { session_id: string };
  return { cookie: cookie.split(";")[0] ?? "", id };
}

/** The way to a sandbox's host: where it leads, and the cookie that is given there. */
async function way(gateway: TestGateway, cookie: string, path: string) {
  const sent = await ask(gateway, path, { cookie, ...NAVIGATION });
  const to = new URL(sent.fields.location ?? "");
  const arrived = await ask(gateway, to.pathname + to.search, { host: to.host, ...NAVIGATION });
  return { sent, to, arrived, own: arrived.cookie.split(";")[0] ?? "" };
}

describe("a page that a session opens by path", () => {
  test("is sent to the sandbox's host, where the browser gets a cookie for it and a clean URL", async () => {
    const { gateway, seen } = await opened();
    const { cookie, id } = await session(gateway);
    const { sent, to, arrived, own } = await way(gateway, cookie, "/s/box:8080/a?b=%2F&c");
    expect([sent.status, sent.fields["cache-control"], sent.fields["referrer-policy"]]).toEqual([
      303,
      "no-store",
      "no-referrer",
    ]);
    expect(to.href).toMatch(/^http:\/\/8080-box\.boxes\.example\/a\?b=%2F&c&sgw_session=[\w-]+\.[\w-]{43}$/);
    expect([arrived.status, arrived.fields.location]).toEqual([303, "http://8080-box.boxes.example/a?b=%2F&c"]);
    expect(arrived.cookie).toMatch(/^sandboxgw_session=ses_\S+\.box; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/);
    expect(seen).toEqual([]);
    const page = await ask(gateway, "/a?b", { host: "box.boxes.example", cookie: `${own}; mine=1`, ...FETCH });
    expect([page.status, seen.pop()]).toEqual([200, "/a?b mine=1"]);
    expect(gateway.records().at(-1)).toMatchObject({ token_id: id, sandbox: "box", subject: "test-executor" });
    await gateway.verbs.sessions.end(ACTOR, id, "killed");
    await gateway.feed.wake();
    expect((await ask(gateway, "/", { host: "box.boxes.example", cookie: own, ...FETCH })).status).toBe(401);
  });

  test("has a cookie there that opens that sandbox and no other, wherever it is shown", async () => {
    const { gateway } = await opened();
    const { cookie } = await session(gateway);
    const { own } = await way(gateway, cookie, "/s/box/");
    expect((await ask(gateway, "/", { host: "other.boxes.example", cookie: own, ...FETCH })).status).toBe(404);
    const renamed = own.replace(/\.box$/, ".other");
    expect((await ask(gateway, "/", { host: "other.boxes.example", cookie: renamed, ...FETCH })).status).toBe(401);
    const listed = await ask(gateway, "/api/v1/sandboxes", { cookie: own, ...FETCH });
    expect((JSON.parse(listed.body) as { sandboxes: { id: string }[] }).sandboxes.map(({ id }) => id)).toEqual(["box"]);
  });

  test("is all that goes by path: no script of a sandbox is of the gateway's origin", async () => {
    const { gateway, seen } = await opened();
    const { cookie } = await session(gateway);
    for (const [path, method, fields] of [
      ["/s/box/", "GET", FETCH],
      ["/s/box/", "POST", { ...NAVIGATION, "sec-fetch-site": "same-origin" }],
      ["/s/Odd/", "GET", NAVIGATION],
    ] as const) {
      const refused = await ask(gateway, path, { cookie, ...fields }, method);
      expect([path, refused.status]).toEqual([path, 403]);
      expect(refused.body).toContain("AUTH_011");
    }
    expect(seen).toEqual([]);
    const authorization = await gateway.authorization();
    expect((await ask(gateway, "/s/box/", { authorization, ...FETCH })).status).toBe(200);
    seen.pop();
  });

  test("of a sandbox that is not the session's looks like one that is not there", async () => {
    const { gateway } = await opened();
    const { cookie } = await session(gateway, { sandboxes: ["box"] });
    for (const path of ["/s/other/", "/s/none/"]) {
      const { status, fields } = await ask(gateway, path, { cookie, ...NAVIGATION });
      expect([status, fields.location]).toEqual([404, undefined]);
    }
  });

  test("comes with a pass that is good at that host alone, and gives no other session to who has one", async () => {
    const { gateway, seen } = await opened();
    const { cookie } = await session(gateway);
    const { to, own } = await way(gateway, cookie, "/s/box/");
    const elsewhere = await ask(gateway, to.pathname + to.search, { host: "other.boxes.example", ...NAVIGATION });
    expect([elsewhere.status, elsewhere.cookie]).toEqual([401, ""]);
    const altered = to.search.replace(/.{8}$/, "AAAAAAAA");
    expect((await ask(gateway, `/${altered}`, { host: to.host, ...NAVIGATION })).status).toBe(401);
    const mallory = await session(gateway);
    const { to: his } = await way(gateway, mallory.cookie, "/s/box/");
    const lured = await ask(gateway, his.pathname + his.search, { host: his.host, cookie: own, ...NAVIGATION });
    expect([lured.status, lured.cookie]).toEqual([303, ""]);
    expect((await ask(gateway, `/${to.search}`, { host: to.host, cookie: own, ...FETCH }, "POST")).status).toBe(200);
    expect(seen.pop()).toBe("/");
  });
});

/** The same, with a link to one of its sandboxes. */
async function linked() {
  const { gateway, seen } = await opened();
  const wanted = { sandboxId: "box", port: null, methods: null, path: "/", subject: "ada", expiresInMs: 60_000 };
  const { text: link } = await gateway.verbs.links.create(ACTOR, wanted);
  return { gateway, seen, link };
}

describe("a page by path with a link or ticket, which anybody can make a browser show,", () => {
  const PAGE = { ...NAVIGATION, "sec-fetch-site": "cross-site" };

  test("is at the sandbox's host too, beside whatever else the browser shows", async () => {
    const { gateway, seen, link } = await linked();
    const { cookie } = await session(gateway);
    for (const fields of [PAGE, { ...PAGE, cookie }]) {
      const sent = await ask(gateway, `/s/box/a?b&sgw_link=${link}`, fields);
      expect([sent.status, sent.fields.location]).toEqual([303, `http://box.boxes.example/a?b&sgw_link=${link}`]);
      const first = await ask(gateway, `/a?b&sgw_link=${link}`, { host: "box.boxes.example", ...PAGE });
      expect([first.status, first.fields.location]).toEqual([303, "/a?b"]);
    }
    expect(seen).toEqual([]);
  });

  test("is shown by no other way: a form, a cookie of before, a ticket", async () => {
    const { gateway, seen, link } = await linked();
    const authorization = await gateway.authorization();
    const ticket = async () => {
      const fields = { authorization, "content-type": "application/json" };
      const body = JSON.stringify({ sandbox_id: "box" });
      const response = await fetch(`${gateway.url}/api/v1/tickets`, { method: "POST", headers: fields, body });
      return ((await response.json()) as { ticket: string }).ticket;
    };
    const ways = [
      ask(gateway, `/s/box/?sgw_link=${link}`, PAGE, "POST"),
      ask(gateway, "/s/box/", { ...PAGE, cookie: `sandboxgw_link=${link}` }),
      ask(gateway, `/s/box/?sgw_ticket=${await ticket()}`, PAGE),
    ];
    expect((await Promise.all(ways)).map(({ status }) => status)).toEqual([403, 403, 403]);
    expect(seen).toEqual([]);
    const program = { accept: "*/*" };
    expect((await ask(gateway, `/s/box/?sgw_link=${link}`, program, "POST")).status).toBe(200);
  });
});

test("where browsers are not sent to hosts, a session goes on by path", async () => {
  const { gateway, seen } = await opened({ BROWSER_HOST_FORM: "false" });
  const { cookie } = await session(gateway);
  expect((await ask(gateway, "/s/box/", { cookie, ...NAVIGATION })).status).toBe(200);
  expect(seen).toEqual(["/"]);
});
