import type { Value } from "../value/value.ts";

/** Something that a sandbox may have otherwise than the rest. Its name is the property that holds it. */
export interface Setting<T> {
  readonly value: Value<T>;
  /** One sentence, which also says what holds where it is absent. */
  readonly doc: string;
}

/** Settings that belong together: a group in the help. */
export interface SettingsGroup<S extends Readonly<Record<string, Setting<unknown>>>> {
  readonly title: string;
  /** A custom route may have them too; there they go before the sandbox's. */
  readonly route: boolean;
  readonly settings: S;
}

export function setting<T>(value: Value<T>, doc: string): Setting<T> {
  return { value, doc };
}

export function group<const S extends Readonly<Record<string, Setting<unknown>>>>(
  title: string,
  { route }: { route: boolean },
  settings: S,
): SettingsGroup<S> {
  return { title, route, settings };
}
