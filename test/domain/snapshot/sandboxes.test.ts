import { describe, expect, test } from "vitest";
import type { Sandbox } from "../../../src/domain/sandbox.ts";
import { sandboxes } from "../../../src/domain/snapshot/sandboxes.ts";
import { PLAIN_INSTANCE, PLAIN_SANDBOX } from "../../support/sandboxes.ts";

const box = (id: string, ...instances: string[]): Sandbox => ({
  id,
  ...PLAIN_SANDBOX,
  createdAt: 1,
  instances: instances.map((name, number) => ({
    id: name,
    sandboxId: id,
    url: `http://${name}:1`,
    number,
    ...PLAIN_INSTANCE,
  })),
});

const TWO = sandboxes.from([box("a", "a1", "a2"), box("b", "b1")]);

describe("sandboxes in a snapshot", () => {
  test("are found by id, and are plain data again as they were", () => {
    expect(TWO.get("a")).toEqual(box("a", "a1", "a2"));
    expect(sandboxes.rows(TWO)).toEqual([box("a", "a1", "a2"), box("b", "b1")]);
  });

  test("are put whole and removed by id", () => {
    const put = sandboxes.apply(TWO, { kind: "sandbox.put", sandbox: box("a", "a3") });
    expect(put.get("a")).toEqual(box("a", "a3"));
    expect(TWO.get("a")).toEqual(box("a", "a1", "a2"));
    expect(sandboxes.apply(put, { kind: "sandbox.removed", sandboxId: "a" }).get("a")).toBeUndefined();
  });

  test.each([
    ["that are removed", { kind: "sandbox.removed", sandboxId: "a" }, ["a1", "a2"]],
    ["that are put without an instance", { kind: "sandbox.put", sandbox: box("a", "a2", "a3") }, ["a1"]],
    ["that are new", { kind: "sandbox.put", sandbox: box("c", "c1") }, []],
    ["that are unknown when removed", { kind: "sandbox.removed", sandboxId: "c" }, []],
    ["that have nothing to do with the change", { kind: "token.revoked", tokenId: "a", expiresAt: 1 }, []],
  ] as const)("%s take with them the instances that are no more", (_, change, expected) => {
    expect(sandboxes.dropped(TWO, change).instances).toEqual(expected);
  });

  test("hold on to all their instances", () => {
    expect(sandboxes.held(TWO).instances).toEqual(["a1", "a2", "b1"]);
  });
});
