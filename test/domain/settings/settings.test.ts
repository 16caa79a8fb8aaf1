import { expect, test } from "vitest";
import {
  fieldOf,
  NO_SETTINGS,
  optionOf,
  SETTING_NAMES,
  SETTINGS,
  settingsView,
  textsOf,
  withTexts,
} from "../../../src/domain/settings/settings.ts";

const wrong = (details: unknown) => expect.objectContaining({ code: "VAL_010", details });

test("a setting is written as an option, and shown as it was written", () => {
  const settings = withTexts(NO_SETTINGS, { "first-byte-timeout": " 5s " });
  expect(settings).toEqual({ firstByteTimeout: 5000 });
  expect(textsOf(settings)).toEqual({ "first-byte-timeout": "5s" });
  expect(settingsView(settings)).toEqual({ first_byte_timeout: "5s" });
});

test("what is not named stays, and null goes back to what the gateway says", () => {
  const settings = withTexts(NO_SETTINGS, { "first-byte-timeout": "5s" });
  expect(withTexts(settings, {})).toEqual(settings);
  expect(withTexts(settings, { "first-byte-timeout": null })).toBe(NO_SETTINGS);
  expect(settings).toEqual({ firstByteTimeout: 5000 });
});

test("a value that cannot be is refused by the option's name", () => {
  expect(() => withTexts(NO_SETTINGS, { "first-byte-timeout": "soon" })).toThrow(
    wrong(expect.stringContaining('--first-byte-timeout: "soon" is not a duration')),
  );
});

test("a setting that does not exist is refused, with the one that was meant", () => {
  const details = 'there is no setting "first-byte-timeoutt" (did you mean first-byte-timeout?)';
  expect(() => withTexts(NO_SETTINGS, { "first-byte-timeoutt": "5s" })).toThrow(wrong(details));
  expect(() => withTexts(NO_SETTINGS, { constructor: "5s" })).toThrow(wrong(expect.any(String)));
  expect(() => withTexts(NO_SETTINGS, { firstByteTimeout: null })).toThrow(wrong(expect.any(String)));
});

test("every setting has an option and a field of its own, and a sentence without a full stop", () => {
  expect(new Set(SETTING_NAMES.map(optionOf)).size).toBe(SETTING_NAMES.length);
  expect(new Set(SETTING_NAMES.map(fieldOf)).size).toBe(SETTING_NAMES.length);
  expect(SETTING_NAMES.filter((name) => !/^[a-z].*[^.]$/.test(SETTINGS[name].doc))).toEqual([]);
});
