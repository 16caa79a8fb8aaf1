import type { Settings } from "../../../domain/settings/settings.ts";
import { GatewayError } from "../../../errors.ts";
import { parseTransformation, type Transformation } from "../../../domain/transform/transformation.ts";

/** The transformations of settings; each document is read once for each set of settings. */
export class Transforms {
  readonly #known = new WeakMap<Settings, Transformation>();

  /**
   * null where calls pass as they are.
   * @throws GatewayError GW_001 for a document that was stored by another version and is none to this one: a call never goes
   *   on without what was to be done to it.
   */
  of(settings: Settings): Transformation | null {
    if (settings.transform === undefined) return null;
    let transformation = this.#known.get(settings);
    if (transformation === undefined) {
      transformation = stored(settings.transform);
      this.#known.set(settings, transformation);
    }
    return transformation;
  }
}

function stored(document: string): Transformation {
  try {
    return parseTransformation(document);
  } catch (cause) {
    throw new GatewayError("GW_001", { cause });
  }
}
