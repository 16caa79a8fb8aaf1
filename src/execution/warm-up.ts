import { scanJson } from "../domain/json-scan.ts";

const TURNS = 100;
const MEMBERS = 500;
/** One of each kind, so that none is met for the first time in a large document. */
const VALUES = ["0", "-1.5e3", '"text \\n\\u00e9"', "true", "null", "[1,2,{}]", '{"a":"b"}'];

/**
 * Has the reader of JSON compiled before the first large document comes: unprepared, one of 50,000 members holds its
 * thread for 90 to 210 ms, prepared for 13 to 35. About 60 ms of work in turns of less than one, others in between.
 */
export async function warmUp(): Promise<void> {
  const members = Array.from({ length: MEMBERS }, (_, index) => `"key ${index}": ${VALUES[index % VALUES.length]}`);
  const text = Buffer.from(`{${members.join(",")}}`);
  for (let turn = 0; turn < TURNS; turn++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    scanJson(text, { members: 2 * MEMBERS });
  }
}
