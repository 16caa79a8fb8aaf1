import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import type { ArchivedFile } from "../../src/drivers/wasm/archive.ts";

// What just-bash starts by file name, so that no import leads there.
const JUST_BASH = "node_modules/just-bash";
const ENTRIES = ["index.js", "chunks/worker.js", "chunks/js-exec-worker.js", "chunks/sqlite3-worker.js"];
const VENDOR = `${JUST_BASH}/vendor/cpython-emscripten`;
// Native compression for zstd and xz; without them just-bash says that it cannot read such files.
const OPTIONAL = ["@mongodb-js/zstd", "node-liblzma"];

/** Everything the embedded sandbox loads, and nothing else: found by following its imports. */
export async function sandboxArchive(root: string): Promise<{ files: ArchivedFile[]; content: Buffer }> {
  const paths = await collect(root);
  const contents = paths.map((name) => fs.readFileSync(path.join(root, name)));
  const files = paths.map((name, index) => {
    const bytes = contents[index] ?? Buffer.alloc(0);
    return { path: name, size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
  });
  return { files, content: gzipSync(Buffer.concat(contents), { level: 9 }) };
}

async function collect(root: string): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ENTRIES.map((entry) => `${JUST_BASH}/dist/bundle/${entry}`),
    bundle: true,
    write: false,
    metafile: true,
    outdir: "unused",
    platform: "node",
    target: "node24",
    format: "esm",
    external: OPTIONAL,
    logLevel: "error",
  });
  const scripts = Object.keys(metafile.inputs).filter((name) => name.startsWith("node_modules/"));
  const vendored = fs.readdirSync(path.join(root, VENDOR)).map((name) => `${VENDOR}/${name}`);
  const packages = new Set(scripts.map(packageOf));
  const described = [...packages].flatMap((name) => describing(root, name));
  const wasm = scripts.flatMap((name) => wasmBeside(root, name));
  return [...new Set([...scripts, ...vendored, ...described, ...wasm])].toSorted();
}

/** `node_modules/a/node_modules/@b/c/x.js` → `node_modules/a/node_modules/@b/c` */
function packageOf(file: string): string {
  const parts = file.split("/");
  const at = parts.lastIndexOf("node_modules") + 1;
  return parts.slice(0, at + (parts[at]?.startsWith("@") ? 2 : 1)).join("/");
}

/** How Node is to load a package, and the terms under which it may be passed on. */
function describing(root: string, folder: string): string[] {
  const names = fs.readdirSync(path.join(root, folder));
  return names
    .filter((name) => /^(package\.json|(licen[cs]e|notice).*)$/i.test(name))
    .map((name) => `${folder}/${name}`);
}

function wasmBeside(root: string, script: string): string[] {
  const folder = path.dirname(script);
  const names = fs.readdirSync(path.join(root, folder)).filter((name) => name.endsWith(".wasm"));
  if (names.length === 0) return [];
  const source = fs.readFileSync(path.join(root, script), "utf8");
  return names.filter((name) => source.includes(name)).map((name) => `${folder}/${name}`);
}
