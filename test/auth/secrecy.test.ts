import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ACTOR, startTestGateway } from "../support/gateway.ts";
import { startUpstream } from "../support/upstream.ts";

const PAGES = [
  ["GET", "/health/auth"],
  ["GET", "/.well-known/jwks.json"],
  ["GET", "/api/v1/sandboxes"],
  ["POST", "/api/v1/sandbox/execute"],
  ["POST", "/api/v1/session"],
  ["DELETE", "/api/v1/session"],
  ["GET", "/s/box/x"],
  ["GET", "/s/none/x"],
  ["OPTIONS", "/s/box/x"],
  ["GET", "/none"],
] as const;

/** Everything that lies in the folder of a gateway's state. */
function stored(dataDir: string): Buffer {
  const files = ["sandboxgw.db", "sandboxgw.db-wal"].map((name) => join(dataDir, name));
  return Buffer.concat(files.filter(existsSync).map((file) => readFileSync(file)));
}

test("of the tokens that are made nothing is kept by which they could be used", async () => {
  const gateway = await startTestGateway();
  const { verbs, feed, config } = gateway;
  const tokens: string[] = [];
  for (const algorithm of ["HS256", "EdDSA"] as const) {
    await verbs.keys.rotate(ACTOR, { algorithm, overlapMs: 60_000 });
    for (const form of ["signed", "opaque"] as const) {
      const narrowed = { sandboxes: null, operations: null };
      const wanted = { subject: "a", role: "executor", form, expiresInMs: 60_000, ...narrowed };
      tokens.push((await verbs.tokens.create(ACTOR, wanted)).token);
    }
  }
  await feed.wake();
  const kept = stored(config.DATA_DIR);
  expect(kept.includes("sgw_")).toBe(true); // the beginning, by which people know a key
  for (const token of tokens) {
    const secret = token.startsWith("sgw_") ? token.slice(12) : (token.split(".")[2] as string);
    expect(kept.includes(secret)).toBe(false);
    expect(JSON.stringify(gateway.allRecords())).not.toContain(secret);
  }
});

test("a secret that is shown anywhere comes back nowhere: no answer, no record, no row", async () => {
  const gateway = await startTestGateway();
  const { url, config, internalErrors } = gateway;
  await gateway.addSandbox("box", await startUpstream((req, res) => void req.resume().on("end", () => res.end("ok"))));
  const canary = `Canary${randomBytes(12).toString("hex")}`;
  const good = await gateway.authorization();
  const places: Record<string, string>[] = [
    { authorization: `Bearer ${canary}` },
    { authorization: `Bearer eyJhbGciOiJIUzI1NiJ9.e30.${canary}` },
    { authorization: `Bearer sgw_${canary}` },
    { authorization: `Basic ${canary}` },
    { "x-sandbox-token": canary, authorization: good },
    { authorization: good, cookie: `sandboxgw_link=${canary}; __Host-sandboxgw_session=${canary}; a=${canary}` },
    { cookie: `sandboxgw_session=${canary}; __Host-sandboxgw_session=${canary}` },
  ];
  const answers: string[] = [];
  for (const [method, path] of PAGES) {
    for (const headers of places) {
      const target = `${url}${path}?access_token=${canary}&sgw_link=${canary}&sgw_ticket=${canary}`;
      const body = method === "POST" ? JSON.stringify({ sandbox_id: "box", token: canary }) : null;
      const response = await fetch(target, { method, headers, body });
      answers.push(JSON.stringify([...response.headers]) + (await response.text()));
    }
  }
  expect(answers.filter((answer) => answer.includes(canary))).toEqual([]);
  expect(JSON.stringify(gateway.allRecords())).not.toContain(canary);
  expect(stored(config.DATA_DIR).includes(canary)).toBe(false);
  expect(internalErrors).toEqual([]);
});
