import { GatewayError } from "../errors.ts";

/** What a sandbox is said to be: `language` → `python`. */
export type Labels = Readonly<Record<string, string>>;

export const NO_LABELS: Labels = Object.freeze({});

const MOST = 64;
// As Kubernetes has them, without prefixes (its label syntax: names and values of at most 63 characters).
const NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;

/**
 * Labels written `name=value`, separated by commas: `language=python,tier=gpu`.
 * @throws GatewayError VAL_010
 */
export function parseLabels(text: string): Labels {
  const labels: Record<string, string> = Object.create(null) as Record<string, string>;
  const entries = text.split(",").map((entry) => entry.trim());
  if (entries.length > MOST) throw wrong(text, `more than ${MOST} labels`);
  for (const entry of entries) {
    const at = entry.indexOf("=");
    const [name, value] = [entry.slice(0, at).trim(), entry.slice(at + 1).trim()];
    if (at < 0 || !NAME.test(name) || !VALUE.test(value))
      throw wrong(entry, "expected name=value, each of at most 63 letters, digits, . _ -");
    if (name in labels && labels[name] !== value) throw wrong(entry, `${name} is given twice`);
    labels[name] = value;
  }
  return { ...labels };
}

/** In the order of their names: `language=python,tier=gpu`. */
export function formatLabels(labels: Labels): string {
  return Object.entries(labels)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
}

function wrong(text: string, why: string): GatewayError {
  const shown = JSON.stringify(text.length > 48 ? `${text.slice(0, 48)}…` : text);
  return new GatewayError("VAL_010", { details: `label ${shown}: ${why}` });
}
