import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ACTIONS } from "../../../src/audit/search/actions.ts";

const SOURCE = join(import.meta.dirname, "../../../src");

test("every action that is recorded can be searched for", () => {
  const recorded = globSync("{control,daemon}/**/*.ts", { cwd: SOURCE }).flatMap((file) =>
    [...readFileSync(join(SOURCE, file), "utf8").matchAll(/\brecord\("([a-z-]+\.[a-z-]+)"/g)].map(
      ([, action]) => action,
    ),
  );
  expect(new Set(recorded).size).toBeGreaterThan(20);
  expect([...new Set(recorded)].filter((action) => !ACTIONS.some((known) => known === action))).toEqual([]);
});
