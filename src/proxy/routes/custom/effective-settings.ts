import type { CustomRoute } from "../../../domain/route/route.ts";
import type { Sandbox } from "../../../domain/sandbox.ts";
import type { Settings } from "../../../domain/settings/settings.ts";

/** What holds for a call: the route's settings, else the sandbox's. Put together once for each pair of the two. */
export class EffectiveSettings {
  /** By the route's. */
  readonly #known = new WeakMap<CustomRoute, { readonly of: Settings; readonly merged: Settings }>();

  /** Without a route, or with one that has none, the sandbox's own object. */
  of({ settings }: Sandbox, route: CustomRoute | null): Settings {
    if (route === null) return settings;
    const known = this.#known.get(route);
    if (known?.of === settings) return known.merged;
    const merged = Object.keys(route.settings).length === 0 ? settings : { ...settings, ...route.settings };
    this.#known.set(route, { of: settings, merged });
    return merged;
  }
}
