import type { Settings } from "../../../domain/settings/settings.ts";
import { parseTransformation, type Transformation } from "../../../domain/transform/transformation.ts";

/** The transformations of settings; each document is read once for each set of settings. */
export class Transforms {
  readonly #known = new WeakMap<Settings, Transformation>();

  /** null where calls pass as they are. */
  of(settings: Settings): Transformation | null {
    if (settings.transform === undefined) return null;
    let transformation = this.#known.get(settings);
    if (transformation === undefined) {
      transformation = parseTransformation(settings.transform);
      this.#known.set(settings, transformation);
    }
    return transformation;
  }
}
