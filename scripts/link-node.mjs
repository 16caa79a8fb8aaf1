// After an install: makes sure that node_modules/.bin/node is the pinned Node. npm 10 removes the link when it leaves out
// the other platform's package, which has a command of the same name. Plain JavaScript: any Node has to run it.
import { existsSync, symlinkSync } from "node:fs";

const link = "node_modules/.bin/node";
const pinned = `node_modules/node-${process.platform}-${process.arch}/bin/node`;
if (!existsSync(link) && existsSync(pinned)) symlinkSync(`../../${pinned}`, link);
