import { GatewayError } from "../../errors.ts";
import { formatLabels, type Labels, parseLabels } from "../labels.ts";
import { nearest } from "../value/nearest.ts";
import { type PortRange, ports } from "../value/ports.ts";
import { shown } from "../value/value.ts";
import { type Grant, isRoleName, type Permission, PERMISSIONS, type Role } from "./role.ts";

/** Of one role, and of one list in a grant. */
const MOST = 64;
const PATTERN = /^[A-Za-z0-9*][A-Za-z0-9._*-]{0,127}$/;
const OPERATION = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;
const METHOD = /^[A-Z][A-Z-]{0,31}$/;
const MEMBERS = ["permissions", "sandboxes", "labels", "operations", "ports", "methods"] as const;

/**
 * A role from outside, as JSON has it. Nothing in it is guessed at: what is misread would give too much.
 * @throws GatewayError VAL_010
 */
export function readRole(value: unknown): Role {
  const { name, grants } = members(value, "a role", ["name", "grants"]);
  if (!isRoleName(name))
    throw wrong(`role ${said(name)}: expected small letters, digits, dots and hyphens, at most 63`);
  if (!Array.isArray(grants) || grants.length === 0) throw wrong(`role ${name}: expected at least one grant`);
  if (grants.length > MOST) throw wrong(`role ${name}: more than ${MOST} grants`);
  return { name, grants: grants.map(readGrant) };
}

/** @throws GatewayError VAL_010 */
export function readGrant(value: unknown): Grant {
  const given = members(value, "a grant", MEMBERS);
  const grant: Grant = {
    permissions: list(given["permissions"], "permissions").map(permission),
    sandboxes: listOrAll(given["sandboxes"], "sandboxes", PATTERN),
    labels: labelsOrAll(given["labels"]),
    operations: listOrAll(given["operations"], "operations", OPERATION),
    ports: portsOrAll(given["ports"]),
    methods: listOrAll(given["methods"], "methods", METHOD),
  };
  checkSense(grant);
  return grant;
}

/** Whether a sandbox can be named so. */
export function isSandboxPattern(text: string): boolean {
  return PATTERN.test(text);
}

export function isOperation(text: string): boolean {
  return OPERATION.test(text);
}

/** What narrows nothing of what is granted is a mistake, and a mistake here gives too much. */
function checkSense({ permissions, sandboxes, labels, operations, ports: reached, methods }: Grant): void {
  const narrowings: readonly [narrowing: unknown, name: string, fits: (permission: Permission) => boolean][] = [
    [sandboxes, "sandboxes", (each) => each.startsWith("sandbox:")],
    [labels, "labels", (each) => each.startsWith("sandbox:")],
    [operations, "operations", (each) => each === "sandbox:execute" || each === "sandbox:read"],
    [reached, "ports", (each) => each === "sandbox:proxy" || each === "sandbox:read"],
    [methods, "methods", (each) => each === "sandbox:proxy" || each === "sandbox:read"],
  ];
  for (const [narrowing, name, fits] of narrowings) {
    const other = permissions.find((each) => !fits(each));
    if (narrowing !== null && other !== undefined) {
      throw wrong(`${name} do not narrow ${other}: give that in a grant of its own`);
    }
  }
}

function permission(text: string): Permission {
  const found = PERMISSIONS.find((each) => each === text);
  if (found !== undefined) return found;
  const near = nearest(text, PERMISSIONS);
  throw wrong(
    `${shown(text)} is no permission${near === undefined ? `; there are ${PERMISSIONS.join(", ")}` : `; did you mean ${near}?`}`,
  );
}

function labelsOrAll(value: unknown): Labels | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "object" || Array.isArray(value)) throw wrong("labels: expected names and values");
  const given = Object.entries(value);
  if (given.length === 0 || given.some(([, each]) => typeof each !== "string")) {
    throw wrong("labels: expected names and values, at least one");
  }
  return parseLabels(formatLabels(value as Labels));
}

function portsOrAll(value: unknown): readonly PortRange[] | null {
  if (value === undefined || value === null) return null;
  const texts = Array.isArray(value) ? value.map((each) => (Array.isArray(each) ? each.join("-") : String(each))) : [];
  if (texts.length === 0) throw wrong("ports: expected a list of ports and ranges, such as [3000, [8000, 8100]]");
  try {
    return ports().parse(texts.join(","));
  } catch (error) {
    throw wrong(`ports: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function listOrAll(value: unknown, name: string, form: RegExp): readonly string[] | null {
  if (value === undefined || value === null) return null;
  const texts = list(value, name);
  const odd = texts.find((text) => !form.test(text));
  if (odd !== undefined) throw wrong(`${name}: ${shown(odd)} is none`);
  return texts;
}

function list(value: unknown, name: string): string[] {
  const isList = Array.isArray(value) && value.length > 0 && value.length <= MOST;
  if (!isList || !value.every((each) => typeof each === "string")) {
    throw wrong(`${name}: expected a list of 1 to ${MOST} names`);
  }
  return [...new Set(value)];
}

function members(value: unknown, what: string, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(`${what}: expected an object`);
  const odd = Object.keys(value).find((name) => !known.includes(name));
  if (odd === undefined) return { ...value };
  const near = nearest(odd, known);
  throw wrong(
    `${what} has no ${shown(odd)}${near === undefined ? `; it has ${known.join(", ")}` : `; did you mean ${near}?`}`,
  );
}

function said(value: unknown): string {
  return typeof value === "string" ? shown(value) : typeof value;
}

function wrong(details: string): GatewayError {
  return new GatewayError("VAL_010", { details });
}
