import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { exampleIni } from "../../src/config/example.ts";
import { loadConfig } from "../../src/config/load.ts";
import { KEY_NAMES } from "../../src/config/schema.ts";

const committed = fileURLToPath(new URL("../../config.example.ini", import.meta.url));
const nowhere = { cwd: "/", env: { HOME: "/nonexistent" } };

test("config.example.ini is what npm run generate makes", () => {
  expect(readFileSync(committed, "utf8")).toBe(exampleIni());
});

test("config.example.ini loads without a word and says nothing but the defaults", () => {
  const { config, warnings } = loadConfig({ ...nowhere, configFile: committed });
  expect(warnings).toEqual([]);
  expect(config).toEqual(loadConfig(nowhere).config);
});

test("every key stands in the example once", () => {
  const keys = Array.from(exampleIni().matchAll(/^([A-Z_]+) =/gm), ([, key]) => key);
  expect(keys).toEqual(KEY_NAMES);
});

test("no line of the example is longer than an editor is wide", () => {
  for (const line of exampleIni().split("\n")) expect(line.length).toBeLessThanOrEqual(120);
});
