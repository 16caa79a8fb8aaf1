import { expect, test } from "vitest";
import { authorize, authorizeExecution, authorizeHttp, findSandbox } from "../../src/auth/authorize.ts";
import { Standing } from "../../src/auth/standing.ts";
import { readRole } from "../../src/domain/role/read-role.ts";
import { type Snapshot, snapshotFrom } from "../../src/domain/snapshot/snapshot.ts";
import type { GatewayError } from "../../src/errors.ts";
import { SOMEBODY } from "../support/principal.ts";
import { PLAIN_INSTANCE, PLAIN_SANDBOX } from "../support/sandboxes.ts";
import { NO_STATE } from "../support/snapshot.ts";

const sandbox = (id: string, labels: Record<string, string> = {}) => ({
  id,
  ...PLAIN_SANDBOX,
  labels,
  settings: { ports: [[3000, 4000]] as const },
  instances: [{ id: `ins_${id}`, sandboxId: id, number: 1, ...PLAIN_INSTANCE, url: "http://127.0.0.1:8888" }],
});

const STATE = {
  ...NO_STATE,
  sandboxes: [sandbox("py-1"), sandbox("js-1", { team: "a" }), sandbox("js-2", { team: "b" })],
};

function state(...grants: object[]): Snapshot {
  return snapshotFrom({ ...STATE, revision: 1, roles: [readRole({ name: "ci", grants })] });
}

function asked(snapshot: Snapshot, role = "ci"): Standing {
  const standing = new Standing({ ...SOMEBODY, role });
  standing.check(snapshot);
  return standing;
}

function outcome(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return (error as GatewayError).code;
  }
}

const find = (snapshot: Snapshot, permission: "sandbox:proxy" | "sandbox:execute", id: string): unknown =>
  outcome(() => findSandbox(snapshot, asked(snapshot), permission, id).id);

test("a grant narrowed to sandboxes or labels gives those, and the rest is as if it were not there", () => {
  const snapshot = state(
    { permissions: ["sandbox:proxy"], sandboxes: ["py-*"] },
    { permissions: ["sandbox:execute"], labels: { team: "a" } },
    { permissions: ["audit:read"] },
  );
  expect(["py-1", "js-1", "js-2", "no"].map((id) => find(snapshot, "sandbox:proxy", id))).toEqual([
    "py-1",
    "AUTH_003",
    "ROUTE_001",
    "ROUTE_001",
  ]);
  expect(["py-1", "js-1", "js-2", "no"].map((id) => find(snapshot, "sandbox:execute", id))).toEqual([
    "AUTH_003",
    "js-1",
    "ROUTE_001",
    "ROUTE_001",
  ]);
  expect(outcome(() => authorize(asked(snapshot), "sandbox:read"))).toBe("AUTH_003");
});

test("operations, ports and methods are asked of the same grant that covers the sandbox", () => {
  const snapshot = state(
    { permissions: ["sandbox:execute"], sandboxes: ["py-*"], operations: ["run_code"] },
    { permissions: ["sandbox:execute"], sandboxes: ["js-1"] },
    { permissions: ["sandbox:proxy"], sandboxes: ["py-*"], ports: [3000], methods: ["GET"] },
    { permissions: ["sandbox:proxy"], sandboxes: ["js-*"], ports: [8888] },
  );
  const at = (id: string) => snapshot.sandboxes.get(id) as ReturnType<typeof sandbox>;
  const run = (id: string, operation: string) => outcome(() => authorizeExecution(asked(snapshot), at(id), operation));
  const http = (id: string, method: string, port: number | null) =>
    outcome(() => authorizeHttp(asked(snapshot), at(id), method, port));
  expect([run("py-1", "run_code"), run("py-1", "run_command"), run("js-1", "run_command")]).toEqual([
    "role:ci#1",
    "AUTH_004",
    "role:ci#2",
  ]);
  expect([http("py-1", "GET", 3000), http("py-1", "POST", 3000), http("py-1", "GET", null)]).toEqual([
    "role:ci#3",
    "AUTH_003",
    "ROUTE_009",
  ]);
  expect([http("js-1", "DELETE", null), http("js-1", "GET", 3000)]).toEqual(["role:ci#4", "ROUTE_009"]);
});

test("a role that is gone, or never was, gives nothing to whom it is of", () => {
  const snapshot = state({ permissions: ["sandbox:read"] });
  for (const role of ["gone", "constructor", "__proto__", ""]) {
    expect(outcome(() => asked(snapshot, role))).toBe("AUTH_003");
  }
  const standing = asked(snapshot);
  expect(standing.rights.has("sandbox:read")).toBe(true);
  expect(outcome(() => standing.check(snapshotFrom({ ...STATE, revision: 2 })))).toBe("AUTH_003");
  expect(standing.rights.has("sandbox:read")).toBe(false);
});

test.each([
  [{ permissions: ["sandbox:proxy"], operations: ["run_code"] }, /operations do not narrow sandbox:proxy/],
  [{ permissions: ["sandbox:execute"], methods: ["GET"] }, /methods do not narrow sandbox:execute/],
  [{ permissions: ["token:manage"], sandboxes: ["a"] }, /sandboxes do not narrow token:manage/],
  [{ permissions: ["sandbox:proxi"] }, /did you mean sandbox:proxy/],
  [{ permissions: ["sandbox:proxy"], sandbox: ["a"] }, /did you mean sandboxes/],
  [{ permissions: ["sandbox:proxy"], sandboxes: [] }, /sandboxes: expected a list/],
  [{ permissions: ["sandbox:proxy"], labels: {} }, /labels: expected/],
  [{ permissions: ["sandbox:proxy"], ports: [0] }, /ports: /],
  [{ permissions: ["sandbox:proxy"], methods: ["get"] }, /methods: "get"/],
  [{ permissions: [] }, /permissions: expected/],
  [{}, /permissions: expected/],
])("%j is no grant", (grant, why) => {
  expect(() => readRole({ name: "ci", grants: [grant] })).toThrow(
    expect.objectContaining({ code: "VAL_010", details: expect.stringMatching(why) as string }),
  );
});
