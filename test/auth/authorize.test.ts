import { describe, expect, test } from "vitest";
import { authorize, authorizeOperation, authorizeProxy, findSandbox } from "../../src/auth/authorize.ts";
import type { Principal } from "../../src/domain/principal.ts";
import { Standing } from "../../src/auth/standing.ts";
import { type Permission, PERMISSIONS } from "../../src/domain/role/role.ts";
import { snapshotFrom } from "../../src/domain/snapshot/snapshot.ts";
import type { GatewayError } from "../../src/errors.ts";
import { PLAIN_SANDBOX } from "../support/sandboxes.ts";
import { SOMEBODY } from "../support/principal.ts";
import { NO_STATE } from "../support/snapshot.ts";

const principal = (fields: Partial<Principal> = {}): Principal => ({ ...SOMEBODY, ...fields });

function standing(fields: Partial<Principal> = {}, state = snapshotFrom(NO_STATE)): Standing {
  const made = new Standing(principal(fields));
  made.check(state);
  return made;
}

const sandbox = (id: string) => ({
  id,
  ...PLAIN_SANDBOX,
  instances: [],
});

function refusal(work: () => unknown): Pick<GatewayError, "code" | "details"> | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    const { code, details } = error as GatewayError;
    return { code, details };
  }
}

describe("what a role may do", () => {
  const matrix: Record<string, readonly Permission[]> = {
    admin: PERMISSIONS,
    operator: [
      "sandbox:execute",
      "sandbox:proxy",
      "sandbox:read",
      "sandbox:manage",
      "audit:read",
      "circuit:manage",
      "config:read",
      "limit:manage",
    ],
    executor: ["sandbox:execute", "sandbox:proxy", "sandbox:read"],
    viewer: ["sandbox:read"],
  };

  test.each(Object.entries(matrix))("%s: %j and nothing else", (role, permissions) => {
    for (const permission of PERMISSIONS) {
      const expected = permissions.includes(permission)
        ? undefined
        : { code: "AUTH_003", details: `Role ${role} does not include ${permission}` };
      expect(refusal(() => authorize(standing({ role }), permission))).toEqual(expected);
    }
  });
});

describe("a token that is not narrowed", () => {
  test("may do every operation and use the transparent proxy", () => {
    expect(refusal(() => authorizeOperation(principal(), "run_code"))).toBeUndefined();
    expect(refusal(() => authorizeProxy(principal()))).toBeUndefined();
  });
});

describe("a token narrowed to operations", () => {
  const narrowed = principal({ operations: ["run_code", "run_command"] });

  test.each(["run_code", "run_command"])("may %s", (operation) => {
    expect(refusal(() => authorizeOperation(narrowed, operation))).toBeUndefined();
  });

  test.each(["run_cod", "RUN_CODE", "run_*", "", "upload"])("may not %j", (operation) => {
    expect(refusal(() => authorizeOperation(narrowed, operation))).toEqual({
      code: "AUTH_004",
      details: "This token allows: run_code, run_command",
    });
  });

  test("has no transparent proxy, which could do anything, even when it is narrowed to nothing", () => {
    for (const operations of [["run_code"], []]) {
      expect(refusal(() => authorizeProxy(principal({ operations })))?.code).toBe("AUTH_004");
    }
    expect(refusal(() => authorizeOperation(principal({ operations: [] }), "run_code"))?.code).toBe("AUTH_004");
  });

  test("is not told to name operations where none would help", () => {
    expect(() => authorizeProxy(narrowed)).toThrow(
      expect.objectContaining({ remediation: "Use a token that is not narrowed to operations" }),
    );
  });
});

describe("a sandbox", () => {
  const snapshot = snapshotFrom({ ...NO_STATE, revision: 1, sandboxes: ["py-1", "js-1"].map(sandbox) });

  test("is found by whose token covers it", () => {
    for (const sandboxes of [null, ["py-*"], ["js-1", "py-1"], ["*"]]) {
      expect(findSandbox(snapshot, standing({ sandboxes }), "sandbox:proxy", "py-1").id).toBe("py-1");
    }
  });

  test("that is somebody else's is refused exactly as one that does not exist", () => {
    const unknown = refusal(() => findSandbox(snapshot, standing(), "sandbox:proxy", "nope"));
    expect(unknown).toEqual({ code: "ROUTE_001", details: "" });
    for (const sandboxes of [["py-*"], ["js"], ["JS-1"], []]) {
      expect(refusal(() => findSandbox(snapshot, standing({ sandboxes }), "sandbox:proxy", "js-1"))).toEqual(unknown);
    }
  });

  test("named like something of JavaScript's own is not known", () => {
    for (const id of ["__proto__", "constructor", "toString"]) {
      expect(refusal(() => findSandbox(snapshot, standing(), "sandbox:proxy", id))?.code).toBe("ROUTE_001");
    }
  });
});
