import { expect, test } from "vitest";
import { nearest } from "../../../src/domain/value/nearest.ts";
import { KEY_NAMES } from "../../../src/config/schema.ts";

test.each([
  ["GATEWAY_PROT", "GATEWAY_PORT"],
  ["GATWAY_PORT", "GATEWAY_PORT"],
  ["MAX_RETRYS", "MAX_RETRIES"],
  ["LOG_LEVL", "LOG_LEVEL"],
  ["TOKEN_SECERT", "TOKEN_SECRET"],
])("%s was probably meant to be %s", (word, expected) => {
  expect(nearest(word, KEY_NAMES)).toBe(expected);
});

test.each(["COLOUR", "PORT", "X", "", "DATABASE_URL"])("nothing is near %s", (word) => {
  expect(nearest(word, KEY_NAMES)).toBeUndefined();
});

test("the closest of several near words is taken", () => {
  expect(nearest("MAX_CONNECTION", ["MAX_CONNECTORS", "MAX_CONNECTIONS"])).toBe("MAX_CONNECTIONS");
});

test("every key is nearest to itself", () => {
  for (const name of KEY_NAMES) expect(nearest(name, KEY_NAMES)).toBe(name);
});
