import { expect, test } from "vitest";
import { NO_SETTINGS, textsOf, withTexts } from "../../../src/domain/settings/settings.ts";

test.each(["cookie", "session", "user", "header:X-Room", "header:x!#$%&'*+.^`|~-9"])(
  "a sandbox may be sticky by %s",
  (text) => {
    expect(textsOf(withTexts(NO_SETTINGS, { sticky: text }))).toEqual({ sticky: text });
  },
);

test.each([
  ["sticky", "cookies"],
  ["sticky", "cookie:a"],
  ["sticky", "header:"],
  ["sticky", "header:x_room"],
  ["sticky", "header:x room"],
  ["sticky", ""],
  ["sticky-ttl", "0"],
  ["sticky-ttl", "31d"],
])("the setting %s cannot be %j", (name, text) => {
  expect(() => withTexts(NO_SETTINGS, { [name]: text })).toThrow(expect.objectContaining({ code: "VAL_010" }));
});
