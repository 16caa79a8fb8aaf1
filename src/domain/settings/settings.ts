import { GatewayError } from "../../errors.ts";
import { nearest } from "../value/nearest.ts";
import type { Setting } from "./setting.ts";
import { access } from "./access.ts";
import { balancing } from "./balancing.ts";
import { cors } from "./applications/cors.ts";
import { forwarding } from "./forwarding.ts";
import { health } from "./health.ts";
import { mounting } from "./applications/mounting.ts";
import { reaching } from "./reaching.ts";
import { retries } from "./retries.ts";
import { stickiness } from "./stickiness.ts";
import { timeouts } from "./timeouts.ts";
import { tunnels } from "./tunnels.ts";
import { upstream } from "./upstream.ts";

/** The groups, in the order in which people read them. */
export const GROUPS = [
  access,
  mounting,
  forwarding,
  cors,
  reaching,
  balancing,
  stickiness,
  health,
  timeouts,
  retries,
  tunnels,
  upstream,
] as const;

/** Every setting, once. */
export const SETTINGS = {
  ...access.settings,
  ...mounting.settings,
  ...forwarding.settings,
  ...cors.settings,
  ...reaching.settings,
  ...balancing.settings,
  ...health.settings,
  ...stickiness.settings,
  ...timeouts.settings,
  ...retries.settings,
  ...tunnels.settings,
  ...upstream.settings,
} as const satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;

/** Durations in milliseconds, sizes in bytes. An absent one means what the gateway's configuration says. */
export type Settings = {
  readonly [K in SettingName]?: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never;
};

/** Settings as people write them: `first-byte-timeout` → `5s`; null takes one back. */
export type SettingTexts = Readonly<Record<string, string | null>>;

/** None at all; shared, because most sandboxes have none. */
export const NO_SETTINGS: Settings = Object.freeze({});

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

/** `firstByteTimeout` as an option and in texts: `first-byte-timeout`. */
export function optionOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `firstByteTimeout` in JSON: `first_byte_timeout`. */
export function fieldOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const ROUTE_SETTINGS: ReadonlySet<string> = new Set(
  GROUPS.filter(({ route }) => route).flatMap(({ settings }) => Object.keys(settings)),
);

const BY_OPTION: ReadonlyMap<string, SettingName> = new Map(SETTING_NAMES.map((name) => [optionOf(name), name]));

/**
 * `settings` with what the texts change.
 * @throws GatewayError VAL_010 that names the option whose text is no such value, or that there is no such setting.
 */
export function withTexts(settings: Settings, texts: SettingTexts): Settings {
  const changed: Record<string, unknown> = { ...settings };
  for (const [option, text] of Object.entries(texts)) {
    const name = BY_OPTION.get(option);
    if (name === undefined) throw unknownSetting(option);
    if (text === null) delete changed[name];
    else changed[name] = parsedSetting(name, text);
  }
  return Object.keys(changed).length === 0 ? NO_SETTINGS : changed;
}

/**
 * The same for a custom route's.
 * @throws GatewayError VAL_010 also for a setting that only a sandbox has.
 */
export function withRouteTexts(settings: Settings, texts: SettingTexts): Settings {
  const changed = withTexts(settings, texts);
  const stray = Object.keys(changed).find((name) => !ROUTE_SETTINGS.has(name));
  if (stray === undefined) return changed;
  throw new GatewayError("VAL_010", { details: `--${optionOf(stray)} is a sandbox's alone; a route has none` });
}

/** What is set, as people write it: in the order of the groups. */
export function textsOf(settings: Settings): Record<string, string> {
  const set = SETTING_NAMES.filter((name) => settings[name] !== undefined);
  return Object.fromEntries(set.map((name) => [optionOf(name), textOf(name, settings[name])]));
}

/** What is set, as JSON shows it: the values as people write them, under snake_case names. */
export function settingsView(settings: Settings): Record<string, string> {
  const set = SETTING_NAMES.filter((name) => settings[name] !== undefined);
  return Object.fromEntries(set.map((name) => [fieldOf(name), textOf(name, settings[name])]));
}

function parsedSetting(name: SettingName, text: string): unknown {
  try {
    return SETTINGS[name].value.parse(text.trim());
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw new GatewayError("VAL_010", { details: `--${optionOf(name)}: ${error.details}`, cause: error });
  }
}

function textOf(name: SettingName, value: unknown): string {
  return (SETTINGS[name] as Setting<unknown>).value.format(value);
}

function unknownSetting(option: string): GatewayError {
  const meant = nearest(option, [...BY_OPTION.keys()]);
  const details = `there is no setting ${JSON.stringify(option)}${meant === undefined ? "" : ` (did you mean ${meant}?)`}`;
  return new GatewayError("VAL_010", { details });
}
