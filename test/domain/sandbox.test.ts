import { describe, expect, test } from "vitest";
import { isSandboxId, parseInstanceUrl } from "../../src/domain/sandbox.ts";
import type { GatewayError } from "../../src/errors.ts";

describe("a sandbox id", () => {
  test.each(["py", "sandbox-123", "A", "0", "a.b_c-d", "x".repeat(63)])("may be %j", (id) => {
    expect(isSandboxId(id)).toBe(true);
  });

  test.each(["", ".", "..", "-o", "_x", "a/b", "a%2Fb", "a b", "a:80", "ü", "a\n", "\na", "a\0", "x".repeat(64)])(
    "may not be %j",
    (id) => {
      expect(isSandboxId(id)).toBe(false);
    },
  );
});

describe("an instance URL", () => {
  test.each([
    ["http://127.0.0.1:9000", "http://127.0.0.1:9000"],
    ["http://127.0.0.1:9000/", "http://127.0.0.1:9000"],
    ["HTTP://Box.Example:9000", "http://box.example:9000"],
    ["http://box", "http://box"],
    ["http://box:80", "http://box"],
    ["http://[2001:DB8::1]:9000", "http://[2001:db8::1]:9000"],
    ["http://127.1:9000", "http://127.0.0.1:9000"],
    ["https://box", "https://box"],
    ["https://box:443", "https://box"],
    ["https://box:9443/", "https://box:9443"],
  ])("%s is kept as %s", (text, stored) => {
    expect(parseInstanceUrl(text)).toBe(stored);
    expect(parseInstanceUrl(stored)).toBe(stored);
  });

  test.each([
    ["", "not a URL"],
    ["localhost:9000", "write http://localhost:9000"],
    ["127.0.0.1:9000", "write http://127.0.0.1:9000"],
    ["[::1]:9000", "write http://[::1]:9000"],
    ["box", "write http://box"],
    ["::1", "not a URL"],
    ["box:99999", "only http://"],
    ["box:9000/path", "only http://"],
    ["unix:/run/box.sock", "only http://"],
    ["file:///etc/passwd", "only http://"],
    ["http://", "not a URL"],
    ["http://box:99999", "not a URL"],
    ["http://box/path", "path, query or fragment"],
    ["http://box?x=1", "path, query or fragment"],
    ["http://box#x", "path, query or fragment"],
  ])("%j is refused: %s", (text, why) => {
    expect(refusal(text)).toMatchObject({ code: "VAL_010", details: expect.stringContaining(why) });
  });

  test.each([
    "http://agent:hunter2@box",
    "http://hunter2@box",
    "hunter2@box:9000",
    "agent:hunter2@box:9000",
    "https://agent:hunter2@box/x",
    "http://a:hunter2@:1",
    "http://a:p@hunter2@box",
  ])("with credentials (%j) is refused without repeating them", (text) => {
    const { code, details } = refusal(text);
    expect(code).toBe("VAL_010");
    expect(details).toMatch(/instance URL ".*"/);
    expect(details).not.toContain("hunter2");
  });
});

function refusal(text: string): GatewayError {
  try {
    throw new Error(`accepted as ${parseInstanceUrl(text)}`);
  } catch (error) {
    return error as GatewayError;
  }
}
