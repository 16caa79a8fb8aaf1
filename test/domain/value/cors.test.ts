import { expect, test } from "vitest";
import { checkCors } from "../../../src/domain/settings/applications/cors.ts";
import { fieldNames, methods, origins } from "../../../src/domain/value/cors.ts";

const refused = expect.objectContaining({ code: "VAL_010" });

test.each([
  ["https://app.example", ["https://app.example"]],
  ["HTTPS://App.Example:443, http://localhost:3000", ["https://app.example", "http://localhost:3000"]],
  ["http://[::1]:3000 http://[::1]:3000", ["http://[::1]:3000"]],
  ["*", ["*"]],
])("origins %s are %j", (text, expected) => {
  expect(origins().parse(text)).toEqual(expected);
  expect(origins().parse(origins().format(expected))).toEqual(expected);
});

test.each([
  "",
  "null",
  "app.example",
  "https://app.example/x",
  "https://app.example/?",
  "https://app.example#",
  "https://a@app.example",
  "https://*.example",
  "file:///x",
  "data:x",
  "ws://app.example",
  Array.from({ length: 65 }, (_, index) => `https://a${index}.example`).join(","),
])("%j is no list of origins", (text) => {
  expect(() => origins().parse(text)).toThrow(refused);
});

test("methods and names of fields have one spelling", () => {
  expect(methods().parse("get, POST")).toEqual(["GET", "POST"]);
  expect(fieldNames().parse("X-One,content-type")).toEqual(["x-one", "content-type"]);
  for (const text of ["", "TRACE", "CONNECT", "GTE", "*"]) expect(() => methods().parse(text)).toThrow(refused);
  for (const text of ["", "*", "a:b", "a\u0001", "ä"]) expect(() => fieldNames().parse(text)).toThrow(refused);
});

test("a policy needs origins, and never lets all of them act as the user", () => {
  expect(() => checkCors({ cors: "gateway" })).toThrow(refused);
  expect(() => checkCors({ corsOrigins: ["*"], corsCredentials: true })).toThrow(refused);
  checkCors({ cors: "gateway", corsOrigins: ["*"] });
  checkCors({ cors: "gateway", corsOrigins: ["https://a.example"], corsCredentials: true });
  checkCors({ cors: "passed" });
  checkCors({});
});
