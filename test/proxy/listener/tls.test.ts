import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { Agent, get } from "node:https";
import { connect as connectTcp, createServer as createTcpServer, type Socket } from "node:net";
import { join } from "node:path";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { createAuthority } from "../../support/certificates.ts";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway } from "../../support/gateway.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { startUpstream } from "../../support/upstream.ts";

const authority = createAuthority();

/** A gateway behind TLS, before a sandbox that tells what it was told of the client. */
async function behindTls(env: Record<string, string> = {}) {
  const folder = temporaryFolder();
  const files = { TLS_CERT_FILE: join(folder, "cert.pem"), TLS_KEY_FILE: join(folder, "key.pem") };
  const put = ({ certificate, key }: { certificate: string; key: string }): void => {
    writeFileSync(files.TLS_CERT_FILE, certificate);
    writeFileSync(files.TLS_KEY_FILE, key);
  };
  put(authority.issue(["localhost"]));
  const gateway = await startTestGateway({ env: { ...files, ...env } });
  const url = await startUpstream((req, res) => res.end(String(req.headers["x-forwarded-proto"])));
  await gateway.addSandbox("box", url);
  const authorization = await gateway.authorization();
  const ca = authority.certificate;
  const agent = new Agent({ ca, keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const ask = (using = agent): Promise<{ status: number | undefined; text: string; serial: string }> =>
    new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", servername: "localhost", port: gateway.port, agent: using };
      get({ ...options, path: "/s/box/", headers: { authorization } }, (res) => {
        const serial = (res.socket as TLSSocket).getPeerCertificate().serialNumber;
        let text = "";
        res
          .on("data", (chunk: Buffer) => (text += chunk.toString()))
          .on("end", () => {
            resolve({ status: res.statusCode, text, serial });
          });
      }).on("error", reject);
    });
  const fresh = async () => {
    const one = new Agent({ ca });
    const answer = await ask(one);
    one.destroy();
    return answer;
  };
  const handshake = async (options: ConnectionOptions): Promise<TLSSocket> => {
    const socket = connect({ host: "127.0.0.1", port: gateway.port, servername: "localhost", ca, ...options });
    onTestFinished(() => void socket.destroy());
    await once(socket, "secureConnect");
    return socket;
  };
  return { gateway, files, put, ask, fresh, handshake, authorization };
}

describe("a listener with a certificate", () => {
  test("speaks HTTP behind TLS, and tells the sandbox so", async () => {
    const { ask, handshake } = await behindTls();
    expect(await ask()).toMatchObject({ status: 200, text: "https" });
    const socket = await handshake({ ALPNProtocols: ["h2", "http/1.1"] });
    expect([socket.getProtocol(), socket.alpnProtocol]).toEqual(["TLSv1.3", "http/1.1"]);
  });

  test("speaks TLS 1.2 with what is safe, and nothing older", async () => {
    const { handshake } = await behindTls();
    const socket = await handshake({ maxVersion: "TLSv1.2" });
    expect(socket.getCipher().name).toMatch(/^ECDHE-.*(?:GCM|POLY1305)/);
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    await expect(handshake(old)).rejects.toThrow(/alert/);
    await expect(handshake({ maxVersion: "TLSv1.2", ciphers: "AES128-SHA" })).rejects.toThrow(/alert/);
  });

  test("speaks nothing older than TLS_MIN_VERSION", async () => {
    const { handshake } = await behindTls({ TLS_MIN_VERSION: "1.3" });
    await expect(handshake({ maxVersion: "TLSv1.2" })).rejects.toThrow(/alert/);
  });

  test("goes on with a WebSocket behind TLS", async () => {
    const { gateway, authorization } = await behindTls();
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    onTestFinished(() => server.close());
    server.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    await once(server, "listening");
    await gateway.addSandbox("ws", `http://127.0.0.1:${(server.address() as { port: number }).port}`);
    const url = `wss://localhost:${gateway.port}/s/ws/`;
    const socket = new WebSocket(url, { ca: authority.certificate, headers: { authorization } });
    await once(socket, "open");
    socket.send("x".repeat(100_000));
    const [data] = (await once(socket, "message")) as [Buffer];
    expect(data).toHaveLength(100_000);
    socket.close();
    await once(socket, "close");
  });
});

describe("another certificate", () => {
  test("is for new connections; who is connected stays so", async () => {
    const { gateway, put, ask, fresh } = await behindTls();
    const before = await ask();
    put(authority.issue(["localhost"]));
    gateway.gateway.reconfigure(gateway.config);
    const after = await fresh();
    expect(after.status).toBe(200);
    expect(after.serial).not.toBe(before.serial);
    expect(await ask()).toEqual(before);
  });

  test.each([
    ["that is none", { certificate: "nonsense", key: "nonsense" }],
    ["that another key belongs to", { ...authority.issue(["localhost"]), key: authority.issue(["localhost"]).key }],
  ])("%s changes nothing", async (_what, pair) => {
    const { gateway, put, fresh } = await behindTls();
    const before = await fresh();
    put(pair);
    expect(() => gateway.gateway.reconfigure(gateway.config)).toThrow(expect.objectContaining({ code: "GW_012" }));
    expect(await fresh()).toEqual(before);
  });

  test("or none is no matter of a reload", async () => {
    const { gateway } = await behindTls();
    const plain = { ...gateway.config, TLS_CERT_FILE: "", TLS_KEY_FILE: "" };
    expect(() => gateway.gateway.reconfigure(plain)).toThrow(/restart/);
  });
});

const opened = async (port: number, bytes: Buffer) => {
  const socket = connectTcp(port, "127.0.0.1").on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  socket.write(bytes);
  return socket;
};
/** The beginning of a handshake, as a client of ours says it. */
const clientHello = async (): Promise<Buffer> => {
  const server = createTcpServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  connect({ host: "127.0.0.1", port: (server.address() as { port: number }).port }).on("error", () => undefined);
  const [socket] = (await once(server, "connection")) as [Socket];
  const [hello] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  server.close();
  return hello;
};

describe("a client that does not finish its handshake", () => {
  test("is cut at its deadline", async () => {
    const { gateway } = await behindTls({ HEADERS_TIMEOUT: "1s" });
    const silent = await opened(gateway.port, Buffer.alloc(0));
    await once(silent, "close");
    expect(silent.bytesRead).toBe(0);
  });

  test("and resets it at any moment, or speaks something else, ends nobody else", async () => {
    const { gateway, ask } = await behindTls();
    const hello = await clientHello();
    for (let at = 0; at <= hello.length; at += Math.ceil(hello.length / 40)) {
      const socket = await opened(gateway.port, hello.subarray(0, at));
      socket.resetAndDestroy();
    }
    for (const text of ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\xff\xff", "\0".repeat(2000)]) {
      const socket = await opened(gateway.port, Buffer.from(text, "latin1"));
      socket.resume();
      await once(socket, "close");
    }
    expect((await ask()).status).toBe(200);
    await eventually("their places are free", async () => {
      const total = gateway.memory.connections.reduce((sum, lane) => sum + Atomics.load(lane.total, 0), 0);
      return total <= 1;
    });
    expect(gateway.internalErrors).toEqual([]);
  });

  test("counts among its address's connections from the beginning", async () => {
    const { gateway, fresh } = await behindTls({ MAX_CONNECTIONS_PER_IP: "1" });
    const silent = await opened(gateway.port, Buffer.alloc(0));
    await expect(fresh()).rejects.toThrow(expect.any(Error));
    silent.destroy();
    await eventually("its place is free", async () => (await fresh().catch(() => undefined))?.status === 200);
  });
});
