// Writes the files that are generated from the source; tests compare them with what is committed.
import { writeFileSync } from "node:fs";
import { exampleIni } from "../src/config/example.ts";

writeFileSync(new URL("../config.example.ini", import.meta.url), exampleIni());
