import { describeOrigin } from "./layers.ts";
import type { LoadedConfig } from "./load.ts";
import type { Key } from "./key.ts";
import { isSecret, KEY_NAMES, type KeyName, SCHEMA } from "./schema.ts";

export interface ConfigRow {
  readonly key: KeyName;
  /** As it would be written in the file; a secret as eight stars, or empty when not set. */
  readonly value: string;
  /** As `describeOrigin` says it. */
  readonly origin: string;
}

const MASK = "********";

/** Every key with its value and where that comes from, in the order of the schema. */
export function describeConfig({ config, origins }: LoadedConfig): ConfigRow[] {
  return KEY_NAMES.map((name) => {
    const key: Key<unknown> = SCHEMA[name];
    const value = key.value.format(config[name]);
    return { key: name, value: isSecret(name) && value !== "" ? MASK : value, origin: describeOrigin(origins[name]) };
  });
}
