import type { ServerResponse } from "node:http";
import * as fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { Heartbeat, mayBeat } from "../../../../src/proxy/forward/event-stream/heartbeat.ts";
import { Deadlines } from "../../../../src/proxy/request/deadlines.ts";
import { eventually } from "../../../support/eventually.ts";
import { ACTOR, startTestGateway } from "../../../support/gateway.ts";
import { RawConnection } from "../../../support/raw-connection.ts";
import { startUpstream } from "../../../support/upstream.ts";

const COMMENT = ":\n\n";

/** A heartbeat that beats after each of these pieces of a stream. Returns what the client gets. */
function beating(pieces: readonly (string | Buffer)[], { unread = 0 } = {}): string {
  const deadlines = new Deadlines();
  deadlines.close();
  let text = "";
  const to = { writableLength: unread, write: (comment: string) => (text += comment) !== "" };
  const heartbeat = new Heartbeat({ to, deadlines, afterMs: 1_000 });
  for (const piece of pieces) {
    text += heartbeat.pass(Buffer.from(piece)).toString("utf8");
    heartbeat.expire();
  }
  return text;
}

/** The events that a reader sees (HTML Standard, section 9.2.6). */
function eventsIn(stream: string): string[] {
  const events: string[] = [];
  let data: string[] = [];
  const lines = stream.replace(/^\ufeff/, "").split(/\r\n|\n|\r/);
  lines.pop(); // what has no end yet
  for (const line of lines) {
    if (line === "" && data.length > 0) events.push(data.join("\n"));
    if (line === "") data = [];
    else if (line.startsWith("data:")) data.push(line.slice(5));
  }
  return events;
}

describe("a comment is put", () => {
  test.each([
    "data: a\n\n",
    "data: a\r\n\r\n",
    "data: a\r\r",
    "data: a\n\r\n",
    "data: a\r\n\n",
    ": mine\n\n",
    "\n",
    "\r\n",
  ])("behind %j", (piece) => {
    expect(beating([piece])).toBe(piece + COMMENT);
  });

  test("before the first event, and then the stream's byte order mark is not text", () => {
    const mark = Buffer.from("\ufeff");
    expect(beating(["", Buffer.concat([mark, Buffer.from("data: a\n\n")])])).toBe(`${COMMENT}data: a\n\n${COMMENT}`);
    expect(beating(["\ufeffdata: a\n\n"])).toBe(`\ufeffdata: a\n\n${COMMENT}`);
  });

  test.each([
    "data: a",
    "data: a\n",
    "data: a\r\n",
    "data: a\r",
    "data",
    ":",
    ": mine\n",
    "id: 1\ndata: a\n",
    "\ufeff",
  ])("never inside an event: behind %j", (piece) => {
    expect(beating([piece])).toBe(piece);
  });

  test("never for a client that has not read what there is", () => {
    expect(beating(["data: a\n\n"], { unread: 1 })).toBe("data: a\n\n");
  });

  test("wherever a stream is quiet, without an event more, less or other", () => {
    const piece = fc.constantFrom(
      "data:a",
      "data:b",
      "data:",
      "id:1",
      ":c",
      "\n",
      "\r",
      "\r\n",
      "\n\n",
      "\r\n\r\n",
      "x",
      "",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        expect(eventsIn(beating(pieces))).toEqual(eventsIn(pieces.join("")));
      }),
      { numRuns: 2_000 },
    );
  });
});

test.each([
  [200, [], true],
  [200, ["content-encoding", "identity"], true],
  [200, ["content-encoding", "gzip"], false],
  [200, ["content-length", "100"], false],
  [200, ["content-digest", "sha-256=:x:"], false],
  [206, [], false],
  [404, [], false],
] as const)("a stream of status %i with the fields %j may have comments: %s", (status, fields, expected) => {
  expect(mayBeat(status, ["content-type", "text/event-stream", ...fields])).toBe(expected);
});

/** Comments that came as chunks of their own. */
function beats({ text }: RawConnection): number {
  return text.split("3\r\n:\n\n\r\n").length - 1;
}

test("quiet streams of a sandbox that asks for it get comments, others none, and all end as they would", async () => {
  const streams = new Map<string, ServerResponse>();
  const url = await startUpstream((req, res) => {
    const name = req.url?.slice(1) as string;
    if (name === "short") res.setHeader("content-length", "100");
    if (name === "zipped") res.setHeader("content-encoding", "gzip");
    res.writeHead(200, { "content-type": name === "text" ? "text/plain" : "text/event-stream" }).flushHeaders();
    streams.set(name, res);
    if (name === "partial") res.write("data: begun");
    if (name === "slow") res.write("data: a\n\n");
  });
  const gateway = await startTestGateway({ env: { PROXY_STREAM_IDLE_TIMEOUT: "2500ms" } });
  await gateway.addSandbox("box", url);
  const settings = { "sse-heartbeat": "1s" };
  await gateway.addSandbox("silent", url);
  await gateway.verbs.sandboxes.update(ACTOR, "box", { settings });
  await gateway.feed.wake();
  const authorization = await gateway.authorization();
  const names = ["quiet", "slow", "partial", "short", "zipped", "text", "none"];
  const clients = await Promise.all(
    names.map(async (name) => {
      const client = await RawConnection.open(gateway.port);
      const box = name === "none" ? "silent" : "box";
      return client.send(`GET /s/${box}/${name} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`);
    }),
  );
  const [quiet, slow] = clients as [RawConnection, RawConnection];
  await eventually("the first comment is there", () => beats(quiet) === 1 && beats(slow) === 1);
  streams.get("slow")?.end("data: b\n\n");
  await slow.received("data: b\n\n\r\n0\r\n\r\n");
  // A comment of the gateway's own is no sign of life of the instance's.
  await eventually("the quiet streams are given up", () => clients.every((client) => client === slow || client.closed));
  expect(clients.map(beats)).toEqual([2, 1, 0, 0, 0, 0, 0]);
  expect(quiet.text.endsWith("0\r\n\r\n")).toBe(false);
  expect(gateway.internalErrors).toEqual([]);
  onTestFinished(() => streams.clear());
});
