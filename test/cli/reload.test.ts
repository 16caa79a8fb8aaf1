import { afterEach, expect, test, vi } from "vitest";
import { askToReload } from "../../src/cli/commands/reload.ts";

afterEach(() => void vi.restoreAllMocks());

test.each([
  ["EPERM", "Reload as the user whose process it is"],
  ["ESRCH", "Reload where the gateway runs"],
])(
  "a gateway whose process answers a signal with %s has not reloaded, and it is said what to do",
  (code, remediation) => {
    vi.spyOn(process, "kill").mockImplementation(() => {
      throw Object.assign(new Error(`kill ${code}`), { code });
    });
    expect(() => askToReload(4711)).toThrow(expect.objectContaining({ code: "GW_017", remediation }));
  },
);

test("a gateway that has not said yet which process it is has not reloaded", () => {
  expect(() => askToReload(undefined)).toThrow(expect.objectContaining({ code: "GW_017", remediation: "Repeat" }));
});
