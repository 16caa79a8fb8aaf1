import { formatLabels, parseLabels } from "../labels.ts";
import { nearest } from "../value/nearest.ts";
import { ports } from "../value/ports.ts";
import { shown, wrong } from "../value/value.ts";
import { readGrant } from "./read-role.ts";
import type { Grant } from "./role.ts";

const NARROWINGS = ["sandboxes", "labels", "operations", "ports", "methods"] as const;

/**
 * A grant as people write it: permissions, then what narrows them.
 * `sandbox:execute,sandbox:read sandboxes=py-*,js-1 operations=run_code`
 * @throws GatewayError VAL_010
 */
export function parseGrant(text: string): Grant {
  const words = text.split(/\s+/).filter((word) => word !== "");
  const given: Record<string, unknown> = {
    permissions: words.filter((word) => !word.includes("=")).flatMap(entries),
  };
  for (const word of words.filter((each) => each.includes("="))) {
    const at = word.indexOf("=");
    const [name, value] = [word.slice(0, at), word.slice(at + 1)];
    if (Object.hasOwn(given, name)) throw wrong(`grant ${shown(text)}: ${name} is given twice`);
    given[name] = narrowing(name, value);
  }
  return readGrant(given);
}

/** A text that `parseGrant` turns into the same grant again. */
export function formatGrant(grant: Grant): string {
  const { permissions, sandboxes, labels, operations, ports: reached, methods } = grant;
  const values = {
    sandboxes: sandboxes?.join(","),
    labels: labels === null ? undefined : formatLabels(labels),
    operations: operations?.join(","),
    ports: reached === null ? undefined : ports().format(reached),
    methods: methods?.join(","),
  };
  const narrowings = NARROWINGS.filter((name) => values[name] !== undefined).map((name) => `${name}=${values[name]}`);
  return [permissions.join(","), ...narrowings].join(" ");
}

function narrowing(name: string, value: string): unknown {
  switch (name) {
    case "labels":
      return parseLabels(value);
    case "methods":
      return entries(value.toUpperCase());
    case "sandboxes":
    case "operations":
    case "ports":
      return entries(value);
    default: {
      const near = nearest(name, NARROWINGS);
      throw wrong(
        `${shown(name)} narrows nothing${near === undefined ? `; there are ${NARROWINGS.join(", ")}` : `; did you mean ${near}?`}`,
      );
    }
  }
}

function entries(text: string): string[] {
  return text.split(",").filter((entry) => entry !== "");
}
