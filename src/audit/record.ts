import type { Principal } from "../domain/principal.ts";

/** Every kind of record. */
export const RECORD_KINDS = ["proxy", "execute", "api", "start", "admin", "refused", "loss", "checkpoint"] as const;

/** One change made through the control verbs. */
export interface AdminAction {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Who did it: `cli:<user>` for the command line, the subject for a remote call, `gateway` for what it does by itself. */
  readonly actor: string;
  /** `token.create`, `sandbox.add`, … */
  readonly action: string;
  /** Id of what it was done to. */
  readonly target: string;
  /** Whatever else matters, never a secret. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** The action of the verb that goes on although records are missing. */
export const ACCEPTED_LOSS = "audit.accept-loss";

/** The record of a control verb, as JSON text. */
export function adminRecord({ at, actor, action, target, details }: AdminAction): string {
  return JSON.stringify({ kind: "admin", at_ms: at, actor, action, target, ...details });
}

/** The record that `records` others, which came between two moments, could not be kept, as JSON text. Times in ms. */
export function lossRecord(loss: { at: number; records: number; from: number; until: number }): string {
  const { at, records, from, until } = loss;
  return JSON.stringify({ kind: "loss", at_ms: at, records, from_ms: from, until_ms: until });
}

/** Whom a refusal met. */
export type RefusedFacts = Pick<RequestFacts, "address" | "principal">;

/**
 * The record of `count` refusals for one reason, as JSON text. `facts` undefined: of callers and addresses too many to be
 * told apart. Times in ms since the epoch.
 */
export function refusalsRecord(sum: {
  code: string;
  facts: RefusedFacts | undefined;
  count: number;
  first: number;
  last: number;
}): string {
  const { code, facts, count, first, last } = sum;
  const whom = facts && `,"address":"${facts.address}"${facts.principal ? principalFields(facts.principal) : ""}`;
  return `{"kind":"refused","at_ms":${last}${whom ?? ""},"decision":"deny","rule":"${code}","count":${count},"first_ms":${first}}`;
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
  /** On an instance's host; null = the instance's own. */
  readonly port: number | null;
  readonly instanceId: string;
  readonly status: number;
  /** Why a response was cut short or failed; empty when it was delivered whole. */
  readonly outcome: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
  readonly execution: ExecutionFacts | undefined;
  /** What became of each, in order; null when there was only one, of which everything else tells. */
  readonly tries: readonly Try[] | null;
  /** It has a start record. */
  readonly started: boolean;
}

/** One try of a call at an instance. */
export interface Try {
  readonly instanceId: string;
  /** The answer's status, or why there was none. */
  readonly outcome: string;
  readonly durationMs: number;
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
 * The record that a call is about to be sent to a sandbox, as JSON text: whoever finds it without the record of the same
 * request's end knows that something may have run. `at`: milliseconds since the epoch.
 */
export function startRecord(facts: RequestFacts, at: number): string {
  let text = `{"kind":"start","at_ms":${at},"call":"${facts.kind}"${callFields(facts)}`;
  text += placeFields(facts);
  if (facts.execution !== undefined) text += executionFields(facts.execution);
  return `${text}}`;
}

/**
 * The record of one request, as JSON text. Written by hand because it is on the path of every request: only values
 * that come from outside go through JSON.stringify (half the time of stringifying an object of this size).
 */
export function requestRecord(facts: RequestFacts): string {
  const { execution } = facts;
  let text = `{"kind":"${facts.kind}","at_ms":${facts.at}${callFields(facts)}`;
  text += `,"decision":"${facts.decision}","rule":"${facts.rule}"`;
  text += placeFields(facts);
  if (facts.instanceId !== "") text += `,"instance":"${facts.instanceId}"`;
  text += `,"status":${facts.status}`;
  if (facts.outcome !== "") text += `,"outcome":"${facts.outcome}"`;
  text += `,"bytes_in":${facts.bytesIn},"bytes_out":${facts.bytesOut},"duration_ms":${facts.durationMs.toFixed(1)}`;
  if (execution !== undefined) text += `${executionFields(execution)},"result":"${execution.status}"`;
  if (facts.tries !== null) text += `,"tries":[${facts.tries.map(tryText).join(",")}]`;
  if (facts.started) text += STARTED;
  return `${text}}`;
}

/** How the record of a call's end says that there is one of its start. */
export const STARTED = ',"started":true';

function tryText({ instanceId, outcome, durationMs }: Try): string {
  return `{"instance":"${instanceId}","outcome":"${outcome}","ms":${durationMs.toFixed(1)}}`;
}

function callFields({ requestId, address, method, path, principal }: RequestFacts): string {
  const text = `,"request_id":"${requestId}","address":"${address}","method":"${method}","path":${quoted(path)}`;
  return principal === undefined ? text : text + principalFields(principal);
}

function placeFields({ sandboxId, port }: RequestFacts): string {
  if (sandboxId === "") return "";
  const text = `,"sandbox":${quoted(sandboxId)}`;
  return port === null ? text : `${text},"port":${port}`;
}

function executionFields({ id, operation, language, codeBytes, codeSha256 }: ExecutionFacts): string {
  const text = `,"execution_id":"${id}","operation":${quoted(operation)},"language":${quoted(language)}`;
  return `${text},"code_bytes":${codeBytes},"code_sha256":"${codeSha256}"`;
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
