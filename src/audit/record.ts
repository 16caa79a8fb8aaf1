import type { Principal } from "../domain/principal.ts";

/** One change made through the control verbs. */
export interface AdminAction {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Who did it: `cli:<user>` for the command line, the subject for a remote call. */
  readonly actor: string;
  /** `token.create`, `sandbox.add`, … */
  readonly action: string;
  /** Id of what it was done to. */
  readonly target: string;
  /** Whatever else matters, never a secret. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** The record of a control verb, as JSON text. */
export function adminRecord({ at, actor, action, target, details }: AdminAction): string {
  return JSON.stringify({ kind: "admin", at_ms: at, actor, action, target, ...details });
}

/** What the data path knows of one request when it ends. Absent values are left out of the record. */
export interface RequestFacts {
  readonly kind: "proxy" | "execute" | "api";
  readonly at: number;
  readonly requestId: string;
  readonly address: string;
  readonly method: string;
  /** Without the query: it may carry secrets. */
  readonly path: string;
  readonly principal: Principal | undefined;
  readonly decision: "allow" | "deny";
  /** The rule that decided: `role:<role>` when allowed, the error code when not. */
  readonly rule: string;
  readonly sandboxId: string;
  readonly instanceId: string;
  readonly status: number;
  /** Why a response was cut short or failed; empty when it was delivered whole. */
  readonly outcome: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
  readonly execution: ExecutionFacts | undefined;
}

export interface ExecutionFacts {
  readonly id: string;
  readonly operation: string;
  readonly language: string;
  /** Size and SHA-256 (hex) of the code or command; the text itself is never recorded. */
  readonly codeBytes: number;
  readonly codeSha256: string;
  /** The result's status, empty when there was none. */
  readonly status: string;
}

const PATH_LIMIT = 256;

/**
 * The record of one request, as JSON text. Written by hand because it is on the path of every request: only values
 * that come from outside go through JSON.stringify (half the time of stringifying an object of this size).
 */
export function requestRecord(facts: RequestFacts): string {
  const { principal, execution } = facts;
  let text = `{"kind":"${facts.kind}","at_ms":${facts.at},"request_id":"${facts.requestId}","address":"${facts.address}"`;
  text += `,"method":"${facts.method}","path":${quoted(facts.path)}`;
  if (principal !== undefined) text += principalFields(principal);
  text += `,"decision":"${facts.decision}","rule":"${facts.rule}"`;
  if (facts.sandboxId !== "") text += `,"sandbox":${quoted(facts.sandboxId)}`;
  if (facts.instanceId !== "") text += `,"instance":"${facts.instanceId}"`;
  text += `,"status":${facts.status}`;
  if (facts.outcome !== "") text += `,"outcome":"${facts.outcome}"`;
  text += `,"bytes_in":${facts.bytesIn},"bytes_out":${facts.bytesOut},"duration_ms":${facts.durationMs.toFixed(1)}`;
  if (execution !== undefined) {
    text += `,"execution_id":"${execution.id}","operation":${quoted(execution.operation)}`;
    text += `,"language":${quoted(execution.language)},"code_bytes":${execution.codeBytes}`;
    text += `,"code_sha256":"${execution.codeSha256}","result":"${execution.status}"`;
  }
  return `${text}}`;
}

/** A principal's part of a record. Principals are shared by all requests of a token, so it is written once per token. */
const principalText = new WeakMap<Principal, string>();

function principalFields(principal: Principal): string {
  let text = principalText.get(principal);
  if (text === undefined) {
    text = `,"subject":${JSON.stringify(principal.subject)},"role":"${principal.role}","token_id":${JSON.stringify(principal.tokenId)}`;
    principalText.set(principal, text);
  }
  return text;
}

// Printable ASCII without quote and backslash needs no escaping; everything else takes the slow way.
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function quoted(value: string): string {
  const text = value.length > PATH_LIMIT ? value.slice(0, PATH_LIMIT) : value;
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}
