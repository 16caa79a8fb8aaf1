import { describe, expect, it, onTestFinished } from "vitest";
import { KINDS, type Shown } from "../support/credential-kinds.ts";
import { eventually } from "../support/eventually.ts";
import { startTestGateway } from "../support/gateway.ts";
import { startUpstream } from "../support/upstream.ts";

/** Every kind of credential keeps these promises, whatever it is made of. */
describe.each(KINDS)("$name", ({ issue, forged }) => {
  const start = async (lifetimeMs = 3_600_000) => {
    const seen: string[] = [];
    const upstream = await startUpstream((req, res) => {
      seen.push(JSON.stringify([req.url, req.rawHeaders]));
      if (req.url === "/slow") res.write("first");
      else res.end("fine");
    });
    const gateway = await startTestGateway({ env: { TOKEN_CLOCK_SKEW: "0" } });
    await gateway.addSandbox("box", upstream);
    const credential = await issue(gateway, lifetimeMs);
    const call = ({ headers = {}, query = "" }: Shown, path = "/") =>
      fetch(`${gateway.url}/s/box${path}${query}`, { headers });
    return { gateway, credential, call, seen };
  };

  it("says who calls: in the record, and nothing of it to the sandbox", async () => {
    const { gateway, credential, call, seen } = await start();
    expect((await call(credential.shown)).status).toBe(200);
    expect(gateway.records().at(-1)).toMatchObject({ subject: "agent", sandbox: "box" });
    expect(JSON.stringify(gateway.allRecords())).not.toContain(credential.secret);
    expect(seen).toHaveLength(1);
    expect(seen[0]).not.toContain(credential.secret);
  });

  it("is refused like any other when it was altered, and like none when another gateway made it", async () => {
    const { credential, call, seen } = await start();
    const { shown, secret } = credential;
    const altered = JSON.stringify(shown).replace(secret, `${secret.slice(0, -8)}AAAAAAAA`);
    for (const other of [JSON.parse(altered) as Shown, await forged()]) {
      const response = await call(other);
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toContain('error="invalid_token"');
      expect(await response.text()).not.toContain(secret.slice(0, -8));
    }
    expect(seen).toEqual([]);
  });

  it("is refused from the next call on when it is revoked, also where it was known already", async () => {
    const { credential, call, seen } = await start();
    expect((await call(credential.shown)).status).toBe(200);
    await credential.revoke();
    expect((await call(credential.shown)).status).toBe(401);
    expect(seen).toHaveLength(1);
  });

  it("ends what is under way when it is revoked", async () => {
    const { credential, call } = await start();
    const { body } = await call(credential.shown, "/slow");
    const reader = body?.getReader();
    onTestFinished(async () => reader?.cancel().catch(() => undefined));
    await reader?.read();
    await credential.revoke();
    await expect(reader?.read()).rejects.toThrow(expect.any(Error));
  });

  it("is refused when its time is over, also where it was known already", async () => {
    const { credential, call } = await start(1_000);
    expect((await call(credential.shown)).status).toBe(200);
    await eventually("it is refused", async () => (await call(credential.shown)).status === 401);
  });

  it("is refused beside another one that says something else", async () => {
    const { gateway, credential, call, seen } = await start();
    const authorization = await gateway.authorization("admin");
    const other =
      credential.shown.headers?.["authorization"] === undefined
        ? { authorization }
        : { "x-sandbox-token": authorization.slice(7) };
    const response = await call({ ...credential.shown, headers: { ...credential.shown.headers, ...other } });
    expect(response.status).toBe(400);
    expect(seen).toEqual([]);
  });
});
