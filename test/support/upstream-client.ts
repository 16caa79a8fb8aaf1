import { onTestFinished } from "vitest";
import { targetPolicy } from "../../src/domain/target-policy.ts";
import { Http1Client, type Http1ClientOptions } from "../../src/proxy/upstream/http1/client.ts";
import { createLookup } from "../../src/proxy/upstream/reach/lookup.ts";
import { Names } from "../../src/proxy/upstream/reach/names.ts";
import type { TlsTrust } from "../../src/proxy/upstream/reach/secure.ts";
import type { UpstreamControl, UpstreamRequest } from "../../src/proxy/upstream/upstream.ts";
import { PLAIN_INSTANCE } from "./sandboxes.ts";

/** Every target that an administrator may name. */
export const EVERYWHERE = targetPolicy([], []);

/** The public authorities. */
export const PUBLIC_TRUST: TlsTrust = { verify: true, ca: "", serverName: "", certificate: "", key: "" };

/** What became of one request. */
export interface UpstreamOutcome {
  /** 0 when no head came. */
  readonly status: number;
  readonly body: string;
  /** Why it failed: code or message; empty when it did not. */
  readonly error: string;
  /** In the order they came. */
  readonly events: readonly string[];
}

export interface AskOptions extends Partial<UpstreamRequest> {
  readonly onData?: (control: UpstreamControl) => void;
  readonly onSent?: (control: UpstreamControl) => void;
}

/** A real upstream client and one instance to ask; gone when the test is over. */
export function startUpstreamClient(url: string, options: Partial<Http1ClientOptions> = {}) {
  const defaults = {
    connections: 4,
    keepAliveMs: 4_000,
    socketFolder: "/",
    names: new Names(createLookup({ servers: [] })),
    targets: () => EVERYWHERE,
    trust: () => PUBLIC_TRUST,
  };
  const client = new Http1Client({ ...defaults, ...options });
  onTestFinished(() => client.close());
  const instance = { id: "ins_1", sandboxId: "box", url, number: 1, ...PLAIN_INSTANCE };
  const ask = ({ onData, onSent, ...request }: AskOptions = {}): Promise<UpstreamOutcome> =>
    new Promise((resolve) => {
      const events: string[] = [];
      let status = 0;
      let body = "";
      const tell = (event: string): void => void events.push(event);
      const end = (error: string): void => resolve({ status, body, error, events });
      const control = client.start(
        instance,
        { method: "GET", path: "/", headers: [], body: null, fresh: false, port: null, host: null, ...request },
        {
          onSwitch: () => undefined,
          onConnecting: () => tell("connecting"),
          onSent: () => {
            tell("sent");
            onSent?.(control);
          },
          onHead: (code) => {
            tell("head");
            status = code;
          },
          onData: (chunk) => {
            tell("data");
            body += chunk.toString("latin1");
            onData?.(control);
          },
          onEnd: () => end(""),
          onError: (error) => end("code" in error ? String(error.code) : error.message),
        },
      );
    });
  return { client, instance, ask };
}
