// Makes dist/sandboxgw: the program, its Node and the embedded sandbox in one file that needs nothing installed.
// The Node binary is the one that npm installed, so nothing is downloaded here.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { bundle } from "./build.ts";
import { sandboxArchive } from "./support/sandbox-archive.ts";

const root = path.dirname(import.meta.dirname);
const at = (...parts: string[]) => path.join(root, ...parts);
const startedAt = performance.now();

const [major] = process.versions.node.split(".");
if (major !== "24")
  throw new Error(`this is Node ${process.version}, but Node 24 gets packaged: use "npm run package"`);

fs.mkdirSync(at("dist"), { recursive: true });
await bundle();
const { files, content } = await sandboxArchive(root);
fs.writeFileSync(at("dist/sandbox.json"), JSON.stringify(files));
fs.writeFileSync(at("dist/sandbox.gz"), content);
console.log(
  `dist/sandbox.gz  ${megabytes(content.length)} MB, ${files.length} files, ${megabytes(total())} MB unpacked`,
);

// pkg's command line cannot be told which Node binary to use; the function behind it can.
const { default: sea }: { default: (script: string, options: object) => Promise<void> } = createRequire(
  import.meta.url,
)("@yao-pkg/pkg/lib-es5/sea.js");
const output = at("dist/sandboxgw");
const platform = process.platform === "darwin" ? "macos" : process.platform;
await sea(at("dist/main.cjs"), {
  targets: [{ nodeRange: `node${major}`, platform, arch: process.arch, output }],
  nodePath: fs.realpathSync(process.execPath),
  signature: true,
  seaConfig: {
    disableExperimentalSEAWarning: true,
    useCodeCache: true, // starts 26 ms faster, for which two builds are not bit by bit the same
    execArgvExtension: "none", // NODE_OPTIONS cannot bring code into the daemon
    execArgv: ["--disable-sigusr1"], // SIGUSR1 cannot open the inspector
    assets: {
      "thread.js": at("dist/thread.cjs"),
      "better_sqlite3.node": at(`node_modules/better-sqlite3/prebuilds/${process.platform}-${process.arch}.node`),
      "sandbox.json": at("dist/sandbox.json"),
      "sandbox.gz": at("dist/sandbox.gz"),
    },
  },
});
const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
console.log(`dist/sandboxgw  ${megabytes(fs.statSync(output).size)} MB, made in ${seconds} s`);

function total(): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
