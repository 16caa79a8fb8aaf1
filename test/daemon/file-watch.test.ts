import { renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { FileWatch } from "../../src/daemon/file-watch.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

function watched(): { file: string; told: string[]; watch: FileWatch } {
  const folder = temporaryFolder();
  const files = [join(folder, "other"), join(folder, "file")] as const;
  for (const file of files) writeFileSync(file, "1");
  const told: string[] = [];
  const watch = new FileWatch({ files, onGone: (file) => void told.push(file) });
  watch.start();
  onTestFinished(() => watch.stop());
  return { file: files[1], told, watch };
}

test("a file that is written to is still the same", () => {
  const { file, told } = watched();
  writeFileSync(file, "2");
  vi.advanceTimersByTime(3_000);
  expect(told).toEqual([]);
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
  [
    "can no longer be reached",
    (file: string) => {
      rmSync(file);
      symlinkSync("file", file); // a link to itself
    },
  ],
])("a file that %s is told once, within a second", (_, change) => {
  const { file, told, watch } = watched();
  watch.requireSame();
  change(file);
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual([file]);
  expect(() => watch.requireSame()).toThrow(expect.objectContaining({ code: "GW_008" }));
  vi.advanceTimersByTime(5_000);
  expect(told).toEqual([file]);
});
