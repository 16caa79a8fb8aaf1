import { packaged } from "../../executable.ts";

/**
 * URL of just-bash's module: from node_modules, or unpacked from the packaged file.
 * @param _cacheDirectory Where it may be unpacked.
 */
export async function sandboxModule(_cacheDirectory: string): Promise<string> {
  if (!packaged) return import.meta.resolve("just-bash");
  throw new Error("not packaged yet");
}
