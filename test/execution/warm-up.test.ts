import { expect, test } from "vitest";
import { warmUp } from "../../src/execution/warm-up.ts";

test("others have their turns while the reader of JSON is prepared", async () => {
  let turns = 0;
  let ended = false;
  const others = (): void => {
    turns += 1;
    if (!ended) setImmediate(others);
  };
  setImmediate(others);
  await warmUp();
  ended = true;
  expect(turns).toBeGreaterThanOrEqual(100);
});
