import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { type Endpoint, Race } from "../../../../src/proxy/upstream/reach/race.ts";
import { closedPort, startDeafUpstream, startRawUpstream } from "../../../support/upstream.ts";

function endpoint(url: string): Endpoint {
  return { host: "127.0.0.1", port: Number(new URL(url).port) };
}

/** What came of a race, and after how long. */
function run(endpoints: readonly Endpoint[]): Promise<{ port: number | undefined; error: string; ms: number }> {
  const before = performance.now();
  return new Promise((resolve) => {
    const end = (port: number | undefined, error: string): void =>
      resolve({ port, error, ms: performance.now() - before });
    void new Race(endpoints, null, {
      onConnected: (socket: Socket) => {
        end(socket.remotePort, "");
        socket.destroy();
      },
      onFailed: (error) => end(undefined, "code" in error ? String(error.code) : error.message),
    });
  });
}

describe("a race of addresses", () => {
  test("is won by the first when it accepts, and the others are left alone", async () => {
    let others = 0;
    const first = endpoint(await startRawUpstream(() => undefined));
    const second = endpoint(await startRawUpstream(() => (others += 1)));
    expect(await run([first, second])).toMatchObject({ port: "port" in first && first.port, error: "" });
    expect(others).toBe(0);
  });

  test("goes on at once when an address refuses", async () => {
    const good = endpoint(await startRawUpstream(() => undefined));
    const { port, ms } = await run([endpoint(await closedPort()), endpoint(await closedPort()), good]);
    expect(port).toBe("port" in good && good.port);
    expect(ms).toBeLessThan(240);
  });

  test("begins the next beside an address that does not answer, after 250 ms", async () => {
    const good = endpoint(await startRawUpstream(() => undefined));
    const { port, ms } = await run([endpoint(await startDeafUpstream()), good]);
    expect(port).toBe("port" in good && good.port);
    expect(ms).toBeGreaterThan(240);
    expect(ms).toBeLessThan(1_500);
  });

  test("fails with the first error when all have failed", async () => {
    const missing: Endpoint = { path: "/nonexistent/box.sock" };
    expect(await run([missing, endpoint(await closedPort())])).toMatchObject({ port: undefined, error: "ENOENT" });
  });

  test("that is cancelled tells nothing and leaves nothing open", async () => {
    const accepted: Socket[] = [];
    const url = await startRawUpstream((socket) => accepted.push(socket));
    let told = 0;
    const race = new Race([endpoint(url), endpoint(url)], null, {
      onConnected: () => (told += 1),
      onFailed: () => (told += 1),
    });
    race.cancel();
    expect((await run([endpoint(url)])).error).toBe("");
    await expect.poll(() => accepted.filter((socket) => !socket.destroyed && !socket.readableEnded).length).toBe(0);
    expect(told).toBe(0);
  });
});
