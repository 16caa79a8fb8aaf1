import { describe, expect, test } from "vitest";
import { GatewayError } from "../../../src/errors.ts";
import { Collect } from "../../../src/proxy/forward/collect.ts";

describe("an answer that is gathered", () => {
  test("is whole when it ends: status, type and bytes", async () => {
    const collect = new Collect(100);
    collect.head(201, ["x-a", "content-type", "content-type", "text/plain", "x-b", "1"]);
    collect.data(Buffer.from("one "));
    collect.data(Buffer.from("two"));
    collect.end();
    expect(await collect.reply).toEqual({ status: 201, contentType: "text/plain", body: Buffer.from("one two") });
  });

  test("may be empty, and say nothing of its type", async () => {
    const collect = new Collect(100);
    collect.head(204, []);
    collect.end();
    expect(await collect.reply).toEqual({ status: 204, contentType: "", body: Buffer.alloc(0) });
  });

  test("may be as long as the limit, and no byte longer", () => {
    const collect = new Collect(8);
    collect.head(200, []);
    collect.data(Buffer.alloc(8));
    expect(() => collect.data(Buffer.alloc(1))).toThrow(
      expect.objectContaining({ code: "EXEC_003", executed: "maybe", details: "The limit is 8 bytes" }),
    );
  });

  test("fails as the call does", async () => {
    const collect = new Collect(100);
    collect.head(200, []);
    collect.data(Buffer.from("half"));
    const error = new GatewayError("PROXY_002", { executed: "maybe" });
    collect.failed(error);
    await expect(collect.reply).rejects.toBe(error);
  });
});
