import path from "node:path";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";
import { embeddedFile } from "../../executable.ts";
import { type ArchivedFile, unpack } from "./archive.ts";

/**
 * URL of just-bash's module: in node_modules, or unpacked from the packaged file into the cache directory, because
 * its parts load each other, WebAssembly and worker scripts by file name.
 */
export function sandboxModule(cacheDirectory: string): string {
  const manifest = embeddedFile("sandbox.json");
  const content = embeddedFile("sandbox.gz");
  if (manifest === undefined || content === undefined) return import.meta.resolve("just-bash");
  const files: ArchivedFile[] = JSON.parse(manifest.toString("utf8"));
  const folder = unpack({ files, content: () => gunzipSync(content) }, cacheDirectory);
  return pathToFileURL(path.join(folder, "node_modules/just-bash/dist/bundle/index.js")).href;
}
