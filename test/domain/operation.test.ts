import { expect, test } from "vitest";
import { OPERATION_NAMES } from "../../src/domain/operation.ts";
import { OPERATIONS } from "../../src/execution/operations/operations.ts";

test("the operations that have a name are those the gateway knows something of", () => {
  expect([...OPERATIONS.keys()]).toEqual([...OPERATION_NAMES]);
});
