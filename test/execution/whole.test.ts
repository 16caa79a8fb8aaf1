import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { whole } from "../../src/execution/whole.ts";

const MEGABYTE = 1_048_576;

test.each([0, 1, 65_536, MEGABYTE, MEGABYTE + 1, 3 * MEGABYTE + 17])(
  "%d bytes are what their chunks were",
  async (size) => {
    const bytes = randomBytes(size);
    const chunks = Array.from({ length: Math.ceil(size / 65_536) }, (_, index) =>
      bytes.subarray(index * 65_536, (index + 1) * 65_536),
    );
    expect((await whole(chunks, size)).equals(bytes)).toBe(true);
  },
);

test("others have their turns while a long one is put together", async () => {
  let turns = 0;
  let ended = false;
  const others = (): void => {
    turns += 1;
    if (!ended) setImmediate(others);
  };
  setImmediate(others);
  const chunk = Buffer.alloc(MEGABYTE);
  await whole(
    Array.from({ length: 8 }, () => chunk),
    8 * MEGABYTE,
  );
  ended = true;
  expect(turns).toBeGreaterThanOrEqual(7);
});
