import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { startTestGateway } from "../../support/gateway.ts";
import { sendRaw } from "../../support/raw-client.ts";
import { startRawUpstream } from "../../support/upstream.ts";

const WHOLE = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";

/** A gateway before an instance of which each connection is treated as `treat` says; counts the calls that reached it. */
async function fragileGateway(treat: (received: string, socket: Socket) => void) {
  const gateway = await startTestGateway();
  /** What each connection on which anything came has brought, since the last look. */
  let brought: string[] = [];
  const url = await startRawUpstream((socket) => {
    const index = { at: -1 };
    treat("", socket);
    socket.on("data", (chunk) => {
      if (index.at < 0) index.at = brought.push("") - 1;
      brought[index.at] += chunk.toString("latin1");
      treat(brought[index.at] as string, socket);
    });
  });
  await gateway.addSandbox("box", url);
  const authorization = await gateway.authorization();
  const ask = async (method: string, rest: string) => {
    brought = [];
    const fields = `Host: x\r\nConnection: close\r\nAuthorization: ${authorization}`;
    const { text, statuses } = await sendRaw(gateway.port, `${method} /s/box/ HTTP/1.1\r\n${fields}\r\n${rest}`, {
      quietMs: 5_000,
    });
    const [, executed = ""] = /"executed":"(\w+)"/.exec(text) ?? [];
    return { text, status: statuses[0], executed, sends: brought.length };
  };
  return { gateway, ask };
}

const REQUESTS = {
  "a GET": { method: "GET", rest: "\r\n", end: "\r\n\r\n", mostSends: 2 },
  "a POST": { method: "POST", rest: "Content-Length: 5\r\n\r\nhello", end: "hello", mostSends: 1 },
  "a chunked PUT": {
    method: "PUT",
    rest: "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    end: "0\r\n\r\n",
    mostSends: 2,
  },
} as const;

describe.each(Object.entries(REQUESTS))("%s", (_, { method, rest, end, mostSends }) => {
  test("whose connection is reset after any number of its bytes fails, and is never called unsent when it was not", async () => {
    let after = 0;
    const { gateway, ask } = await fragileGateway((received, socket) => {
      if (received.length >= after) socket.resetAndDestroy();
      else if (received.endsWith(end)) socket.write(WHOLE);
    });
    const wrong: unknown[] = [];
    for (let whole = false; !whole; after += 3) {
      const { text, status, executed, sends } = await ask(method, rest);
      whole = status === 200;
      if (whole) continue;
      const truthful = status === 502 ? executed === "maybe" : status === 503 && executed === "no" && sends === 0;
      if (!truthful || sends > mostSends) wrong.push({ after, text, sends });
    }
    expect(wrong).toEqual([]);
    expect(after).toBeGreaterThan(150); // the request with the gateway's own fields is longer than that
    expect(gateway.internalErrors).toEqual([]);
    expect(gateway.memory.slots.shared[0]).toBe(0);
  });

  test.each(["end", "reset"])(
    "whose answer stops after any number of bytes (%s) ends as broken, and brings nothing else",
    async (way) => {
      let after = 0;
      const { gateway, ask } = await fragileGateway((received, socket) => {
        if (!received.endsWith(end)) return;
        const close = (): void => void (way === "end" ? socket.end() : socket.resetAndDestroy());
        if (after === 0) close();
        else socket.write(WHOLE.slice(0, after), close);
      });
      const wrong: unknown[] = [];
      for (; after < WHOLE.length; after++) {
        const { text, status, executed, sends } = await ask(method, rest);
        const body = text.slice(text.indexOf("\r\n\r\n") + 4);
        const truthful = status === 200 ? "012345678".startsWith(body) : status === 502 && executed === "maybe";
        if (!truthful || sends > mostSends) wrong.push({ after, text, sends });
      }
      expect(wrong).toEqual([]);
      expect(gateway.internalErrors).toEqual([]);
      expect(gateway.memory.slots.shared[0]).toBe(0);
    },
  );
});
