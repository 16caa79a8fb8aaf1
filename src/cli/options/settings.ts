import type { Command } from "commander";
import {
  GROUPS,
  optionOf,
  SETTING_NAMES,
  type SettingName,
  SETTINGS,
  type SettingTexts,
} from "../../domain/settings/settings.ts";
import type { Setting } from "../../domain/settings/setting.ts";
import { UsageError } from "../usage-error.ts";
import { readText } from "./read-text.ts";

/** Adds an option for every setting, in groups; `route`: only for those that a custom route may have. */
export function defineSettings(command: Command, { route = false } = {}): void {
  for (const { title, settings } of GROUPS.filter((group) => group.route || !route)) {
    command.optionsGroup(`${title}:`);
    for (const [name, { value, doc }] of Object.entries<Setting<unknown>>(settings)) {
      const argument =
        value.hint === "true or false" ? "[true|false]" : value.file === undefined ? "<value>" : "<file>";
      command.option(`--${optionOf(name)} ${argument}`, `${doc} (${value.hint})`);
    }
  }
  command.optionsGroup("Options:");
}

/**
 * The settings among a command's options, as texts. `unset`: names of those that go back to the gateway's.
 * @throws UsageError when one is both given and unset: nobody can tell which was meant
 */
export function settingTexts(options: Readonly<Record<string, unknown>>, unset: readonly string[] = []): SettingTexts {
  const given = SETTING_NAMES.filter((name) => options[name] !== undefined);
  const dropped = unset.map((option) => option.replace(/^--/, ""));
  const both = given.map(optionOf).find((option) => dropped.includes(option));
  if (both !== undefined) throw new UsageError(`--unset ${both} and --${both} contradict each other`);
  return {
    ...Object.fromEntries(dropped.map((option) => [option, null])),
    ...Object.fromEntries(given.map((name) => [optionOf(name), textFor(name, String(options[name]))])),
  };
}

function textFor(name: SettingName, given: string): string {
  const { value }: Setting<unknown> = SETTINGS[name];
  return value.file === undefined ? given : readText(given, `--${optionOf(name)}`, value.file);
}
