import { describe, expect, test } from "vitest";
import { portOf, withPort } from "../../src/domain/port.ts";
import type { Sandbox } from "../../src/domain/sandbox.ts";
import { PLAIN_INSTANCE, SOME_SANDBOX } from "../support/sandboxes.ts";

function sandbox(urls: readonly string[], ports?: Sandbox["settings"]["ports"]): Sandbox {
  const instances = urls.map((url, index) => ({
    ...PLAIN_INSTANCE,
    id: `ins_${index}`,
    sandboxId: "box",
    url,
    number: index,
  }));
  return { ...SOME_SANDBOX, instances, settings: ports === undefined ? {} : { ports } };
}

describe("a sandbox has", () => {
  test.each([
    [["http://h:9000"], 9000],
    [["http://h"], 80],
    [["https://h"], 443],
    [["http://[::1]"], 80],
    [["http://[::1]:9000", "http://h:9000"], 9000],
  ])("the own port of %j", (urls, port) => {
    expect(portOf(sandbox(urls), port)).toBeNull();
    expect(portOf(sandbox(urls), port + 1)).toBeUndefined();
  });

  test("a port of some of its instances only when it is listed", () => {
    const urls = ["http://h:9000", "http://h:9001"];
    expect(portOf(sandbox(urls), 9000)).toBeUndefined();
    expect(portOf(sandbox(urls, [[9000, 9000]]), 9000)).toBe(9000);
  });

  test("the ports that are listed, both ends of a range included", () => {
    const listed = sandbox(
      ["http://h:1"],
      [
        [80, 80],
        [3000, 3002],
      ],
    );
    const found = [79, 80, 81, 2999, 3000, 3002, 3003].map((port) => portOf(listed, port) ?? 0);
    expect(found).toEqual([0, 80, 0, 0, 3000, 3002, 0]);
  });

  test("none where the daemon starts the instances, or there are no instances", () => {
    for (const urls of [["unix:a.sock"], ["http://h:1", "unix:a.sock"], []]) {
      expect(portOf(sandbox(urls, [[1, 65_535]]), 80)).toBeUndefined();
    }
  });
});

test.each([
  ["http://h:9000", 80, "http://h"],
  ["https://h", 3000, "https://h:3000"],
  ["http://[::1]:9000", 22, "http://[::1]:22"],
])("%s at port %i is %s", (url, port, other) => {
  expect(withPort(url, port)).toBe(other);
});
