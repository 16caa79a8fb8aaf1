/** One line of a metrics page with a value. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/**
 * Reads a page in the Prometheus text format (version 0.0.4), strictly.
 * @throws Error that names the line: out of place, repeated, or not in the format.
 */
export function parsePrometheus(page: string): Map<string, Family> {
  if (!page.endsWith("\n")) throw new Error("the last line has no end");
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let help: [name: string, text: string] | undefined;
  let current: [name: string, family: Family] | undefined;
  for (const line of page.split("\n")) {
    const fail = (why: string): Error => new Error(`${why}: ${line}`);
    if (line === "") continue;
    if (line.startsWith("# HELP ")) {
      const [, , name = "", ...text] = line.split(" ");
      help = [name, text.join(" ")];
    } else if (line.startsWith("# TYPE ")) {
      const [, , name = "", type = ""] = line.split(" ");
      if (help?.[0] !== name) throw fail("type without help");
      if (families.has(name)) throw fail("repeated family");
      if (!["counter", "gauge", "histogram"].includes(type)) throw fail("unknown type");
      current = [name, { type, help: help[1], samples: [] }];
      families.set(...current);
    } else {
      const sample = parseSample(line) ?? raise(fail("not a sample"));
      const [family, { type, samples }] = current ?? raise(fail("sample without type"));
      const suffix = sample.name.slice(family.length);
      const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
      if (!sample.name.startsWith(family) || !suffixes.includes(suffix)) throw fail("sample of another family");
      const identity = line.slice(0, line.lastIndexOf(" "));
      if (seen.has(identity)) throw fail("repeated sample");
      seen.add(identity);
      samples.push(sample);
    }
  }
  return families;
}

function parseSample(line: string): Sample | undefined {
  const [, name, text = "", number] = SAMPLE.exec(line) ?? [];
  if (name === undefined || number === undefined || Number.isNaN(Number(number))) return undefined;
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, label, value = ""] = LABEL.exec(text) ?? [];
    if (label === undefined || label in labels) return undefined;
    labels[label] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
  }
  return { name, labels, value: Number(number) };
}

function raise(error: Error): never {
  throw error;
}
