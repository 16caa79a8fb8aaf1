import type { Options } from "./options.ts";
import type { Bench } from "./target.ts";

export async function profileGateway(_bench: Bench, _options: Options): Promise<void> {}
