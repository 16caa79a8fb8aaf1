import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { fetchDocument } from "../../../src/auth/oidc/fetch-document.ts";
import { targetPolicy } from "../../../src/domain/target-policy.ts";
import { createAuthority } from "../../support/certificates.ts";
import { startUpstream } from "../../support/upstream.ts";

const fetch = (url: string, { deny = [] as string[], timeoutMs = 5_000 } = {}) =>
  fetchDocument(url, { targets: targetPolicy([], deny), timeoutMs });

test("a document is read as it is, from an address or a name", async () => {
  const url = await startUpstream((_req, res) => res.end('{"keys":[]}'));
  expect((await fetch(url)).toString()).toBe('{"keys":[]}');
  expect((await fetch(url.replace("127.0.0.1", "localhost"))).toString()).toBe('{"keys":[]}');
});

test.each([
  ["another status", (res: ServerResponse) => void res.writeHead(404).end(), /status 404/],
  [
    "a redirect",
    (res: ServerResponse) => void res.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
    /status 302/,
  ],
  ["too long a one", (res: ServerResponse) => void res.end("x".repeat(300_000)), /more than 262144 bytes/],
  [
    "one without an end",
    (res: ServerResponse) => void setInterval(() => res.write("x".repeat(65_536)), 1).unref(),
    /bytes/,
  ],
  [
    "one that breaks off",
    (res: ServerResponse) => void (res.write("{"), setImmediate(() => res.destroy())),
    /aborted|hang up/,
  ],
])("%s is none", async (_what, answer, why) => {
  const url = await startUpstream((_req, res) => answer(res));
  await expect(fetch(url)).rejects.toThrow(why);
});

test("nobody waits for one longer than is allowed", async () => {
  const url = await startUpstream((_req, res) => void res.write("{"));
  await expect(fetch(url, { timeoutMs: 100 })).rejects.toThrow(/aborted/);
});

test.each([
  ["http://169.254.169.254/latest", /metadata/],
  ["http://[::ffff:169.254.169.254]/latest", /metadata/],
  ["http://0.0.0.0/", /no host's address/],
])("nobody connects to %s", async (url, why) => {
  await expect(fetch(url)).rejects.toThrow(why);
});

test("TARGET_DENY holds for addresses and for what names turn out to be", async () => {
  const url = await startUpstream((_req, res) => res.end("{}"));
  const deny = ["127.0.0.0/8", "::1/128"];
  await expect(fetch(url, { deny })).rejects.toThrow(/TARGET_DENY/);
  await expect(fetch(url.replace("127.0.0.1", "localhost"), { deny })).rejects.toThrow(/TARGET_DENY/);
});

test("a certificate that nobody vouches for is refused", async () => {
  const { certificate: cert, key } = createAuthority().issue(["127.0.0.1"]);
  const server = createServer({ cert, key }, (_req, res) => res.end("{}")).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  await expect(fetch(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`)).rejects.toThrow(/verify/);
});
