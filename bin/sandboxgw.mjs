#!/usr/bin/env node
// What `npm link` and `npx` start, with whatever Node is there. Plain JavaScript, because an old Node cannot read the
// program itself, not even to say that it is too old.
if (Number(process.versions.node.split(".")[0]) >= 24) {
  await import("./sandboxgw.ts");
} else {
  process.stderr.write(`error: sandboxgw needs Node 24 or newer, and this is ${process.version}
hint: Use the Node that npm ci brings along: node_modules/.bin/node bin/sandboxgw.ts\n`);
  process.exitCode = 1;
}
