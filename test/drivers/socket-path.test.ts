import { expect, test } from "vitest";
import { socketPath } from "../../src/drivers/socket-path.ts";

test("an instance's socket lies in the run directory under its own name", () => {
  expect(socketPath("/data/run", "unix:ins_1.sock")).toBe("/data/run/ins_1.sock");
});

test("the longest path that fits is accepted and one byte more is refused with the reason", () => {
  const directory = `/${"d".repeat(107 - "/ins_1.sock".length - 1)}`;
  expect(socketPath(directory, "unix:ins_1.sock")).toHaveLength(107);
  expect(() => socketPath(`${directory}d`, "unix:ins_1.sock")).toThrow(
    expect.objectContaining({ code: "GW_013", details: expect.stringContaining("too long by 1 bytes") }),
  );
});

test("bytes are counted, not characters", () => {
  expect(() => socketPath(`/${"é".repeat(50)}`, "unix:ins_1.sock")).toThrow(
    expect.objectContaining({ code: "GW_013" }),
  );
});

test.each(["unix:../x.sock", "unix:a/b.sock", "unix:x", "http://127.0.0.1:1"])("%s is not a socket address", (url) => {
  expect(() => socketPath("/data/run", url)).toThrow(expect.objectContaining({ code: "GW_001" }));
});
