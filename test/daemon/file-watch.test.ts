import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { FileWatch } from "../../src/daemon/file-watch.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

function watched(): { file: string; told: () => number; watch: FileWatch } {
  const file = join(temporaryFolder(), "file");
  writeFileSync(file, "1");
  let told = 0;
  const watch = new FileWatch({ file, onGone: () => void (told += 1) });
  watch.start();
  onTestFinished(() => watch.stop());
  return { file, told: () => told, watch };
}

test("a file that is written to is still the same", () => {
  const { file, told } = watched();
  writeFileSync(file, "2");
  vi.advanceTimersByTime(3_000);
  expect(told()).toBe(0);
});

test.each([
  ["is deleted", (file: string) => rmSync(file)],
  [
    "is replaced by another one",
    (file: string) => {
      writeFileSync(`${file}.new`, "1");
      renameSync(`${file}.new`, file);
    },
  ],
])("a file that %s is told once, within a second", (_, change) => {
  const { file, told, watch } = watched();
  watch.requireSame();
  change(file);
  vi.advanceTimersByTime(1_000);
  expect(told()).toBe(1);
  expect(() => watch.requireSame()).toThrow(expect.objectContaining({ code: "GW_008" }));
  vi.advanceTimersByTime(5_000);
  expect(told()).toBe(1);
});
