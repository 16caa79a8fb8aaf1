// Makes dist/main.cjs and dist/thread.cjs: the program and its data thread, each one script with everything inside.
// CommonJS, because Node 24's single executable starts no other kind of script.
import fs from "node:fs";
import path from "node:path";
import { build } from "esbuild";

const root = path.dirname(import.meta.dirname);
const ENTRIES = { main: "bin/sandboxgw.ts", thread: "src/daemon/threads/worker.ts" };

/** Bundles both scripts. @throws when a source uses what CommonJS cannot have, such as top-level await. */
export async function bundle(): Promise<void> {
  for (const [name, entry] of Object.entries(ENTRIES)) {
    const outfile = path.join(root, `dist/${name}.cjs`);
    await build({
      absWorkingDir: root,
      entryPoints: [entry],
      outfile,
      bundle: true,
      platform: "node",
      target: "node24",
      format: "cjs",
      minifySyntax: true,
      minifyWhitespace: true,
      legalComments: "none",
      logLevel: "warning",
      // Only read from source: a packaged program has no files of its own beside it.
      define: { "import.meta.url": '"file:///packaged"', "import.meta.resolve": "String" },
    });
    console.log(`dist/${name}.cjs  ${(fs.statSync(outfile).size / 1e6).toFixed(2)} MB`);
  }
}

if (import.meta.main) await bundle();
