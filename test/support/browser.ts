import { existsSync } from "node:fs";

/** Debian's Chromium, where it is installed. */
export const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((path) => existsSync(path));
