import { expect, test } from "vitest";
import { NO_SETTINGS, textsOf, withTexts } from "../../../src/domain/settings/settings.ts";

const withHost = (text: string) => textsOf(withTexts(NO_SETTINGS, { "host-header": text }))["host-header"];

test.each(["instance", "client", "app.example", "app.example:8080", "10.0.0.1:80", "[fd00::1]", "[fd00::1]:8080"])(
  "an application may be told the Host %s",
  (text) => {
    expect(withHost(text)).toBe(text);
  },
);

test.each([
  "a b",
  "app.example/",
  "app.example:0",
  "app.example:65536",
  "app.example:",
  "user@app.example",
  "http://app.example",
  "",
  "a\r\nb",
  "1.2.3",
  "fd00::1",
  "[10.0.0.1]",
])("the Host %j is refused when it is set", (text) => {
  expect(() => withHost(text)).toThrow(expect.objectContaining({ code: "VAL_010" }));
});
