import { expect, test } from "vitest";
import { circuitFrom } from "../../../src/proxy/health/circuit-word.ts";
import { startDnsServer } from "../../support/dns-server.ts";
import { eventually } from "../../support/eventually.ts";
import { ACTOR, startTestGateway } from "../../support/gateway.ts";
import { startUpstream } from "../../support/upstream.ts";

test("an instance that never answers fails a few calls, and then none until one may try it again", async () => {
  const gateway = await startTestGateway({
    env: { PROXY_TIMEOUT: "50ms", CIRCUIT_FAILURE_THRESHOLD: "2", CIRCUIT_OPEN_DURATION: "1h", CIRCUIT_OPEN_MAX: "1h" },
  });
  let silent = 0;
  const frozen = await startUpstream(() => void (silent += 1));
  const well = await Promise.all([1, 2].map(() => startUpstream((_req, res) => void res.end("fine"))));
  await gateway.addSandbox("box", frozen, ...well);
  const headers = { authorization: await gateway.authorization() };
  const statuses: number[] = [];
  for (let call = 0; call < 40; call++) statuses.push((await fetch(`${gateway.url}/s/box/`, { headers })).status);
  expect(statuses.filter((status) => status === 504)).toHaveLength(2);
  expect(statuses.filter((status) => status === 200)).toHaveLength(38);
  expect(silent).toBe(2);
});

test("an only instance is tried each time, however often it has failed", async () => {
  const gateway = await startTestGateway({ env: { MAX_RETRIES: "0", CIRCUIT_FAILURE_THRESHOLD: "1" } });
  let broken = true;
  const upstream = await startUpstream((req, res) => void (broken ? req.socket.destroy() : res.end("fine")));
  await gateway.addSandbox("box", upstream);
  const headers = { authorization: await gateway.authorization() };
  const call = async (): Promise<number> => (await fetch(`${gateway.url}/s/box/`, { headers })).status;
  for (let time = 0; time < 5; time++) expect(await call()).toBe(502);
  broken = false;
  expect(await call()).toBe(200);
});

test("a client that leaves, and an answer that says no, are no failures of the instance", async () => {
  const gateway = await startTestGateway({ env: { CIRCUIT_FAILURE_THRESHOLD: "1", CIRCUIT_OPEN_DURATION: "1h" } });
  let seen = 0;
  const upstreams = await Promise.all(
    [1, 2].map(() =>
      startUpstream((req, res) => {
        seen += 1;
        if (req.url !== "/slow") res.writeHead(400).end();
      }),
    ),
  );
  await gateway.addSandbox("box", ...upstreams);
  const headers = { authorization: await gateway.authorization() };
  for (let time = 0; time < 4; time++) {
    const leaving = new AbortController();
    const left = fetch(`${gateway.url}/s/box/slow`, { headers, signal: leaving.signal });
    const before = seen;
    await eventually("it is there", () => seen > before);
    leaving.abort();
    await expect(left).rejects.toThrow("aborted");
    expect((await fetch(`${gateway.url}/s/box/`, { headers })).status).toBe(400);
  }
  const words = gateway.memory.instances.circuits.word;
  expect([words[0], words[1]]).toEqual([0, 0]);
});

test("an instance is not silent that was reached when the time was over, because our own event loop had stood still", async () => {
  let stalls = 0;
  const { server } = await startDnsServer(() => {
    // The call waits for its connection then.
    if (stalls++ === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
    return { addresses: ["127.0.0.1"] };
  });
  const gateway = await startTestGateway({ env: { PROXY_DNS_SERVERS: server } });
  const url = new URL(await startUpstream(() => undefined));
  await gateway.addSandbox("box", `http://silent.test:${url.port}`);
  await gateway.verbs.sandboxes.update(ACTOR, "box", { settings: { "total-timeout": "900ms" } });
  await gateway.feed.wake();
  const headers = { authorization: await gateway.authorization() };
  const call = async (): Promise<number> => (await fetch(`${gateway.url}/s/box/`, { headers })).status;
  const failures = (): number => circuitFrom(gateway.memory.instances.circuits.word[0] as number).failures;
  expect([await call(), failures()]).toEqual([504, 0]);
  expect([await call(), failures()]).toEqual([504, 1]);
});
