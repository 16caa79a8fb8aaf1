import { withPort } from "../../../domain/port.ts";
import type { Instance } from "../../../domain/sandbox.ts";
import type { TargetPolicy } from "../../../domain/target-policy.ts";
import type { Names } from "../reach/names.ts";
import { reach } from "../reach/reach.ts";
import type { TlsTrust } from "../reach/secure.ts";
import type { UpstreamClient, UpstreamControl, UpstreamHandler, UpstreamRequest } from "../upstream.ts";
import { Attempt } from "./connection.ts";
import { Pool } from "./pool.ts";
import { Pools } from "./pools.ts";

/** Large enough for a whole read of the kernel's, small enough to stay in the processor's cache. */
const READ_BUFFER = 64 * 1024;
const SWEEP_MS = 500;

export interface Http1ClientOptions {
  /** Per instance, port and thread. */
  readonly connections: number;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  /** Where the sockets of `unix:` instances are. */
  readonly socketFolder: string;
  /** Where instances may be. */
  readonly targets: () => TargetPolicy;
  /** Where names of instances lead. */
  readonly names: Names;
  /** How an instance behind TLS is known, as its sandbox says. */
  readonly trust: (instance: Instance) => TlsTrust;
}

/**
 * The upstream client: HTTP/1.1 over kept-alive connections, one request at a time on each.
 *
 * Written here and not taken from undici because it is on the path of every request and the bench said so: undici's
 * dispatch is the largest single cost of the gateway, and a proxy needs little of what it pays for (it parses fields into
 * objects, allocates 64 kB for each read, and arms and disarms a timer and a reference count for each request).
 * `npm run bench` shows the difference to the bare `undici` peer.
 */
export class Http1Client implements UpstreamClient {
  readonly #options: Http1ClientOptions;
  readonly #pools = new Pools((instance, port) => this.#open(instance, port));
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BUFFER);
  readonly #timer: NodeJS.Timeout;

  constructor(options: Http1ClientOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  start(instance: Instance, request: UpstreamRequest, handler: UpstreamHandler): UpstreamControl {
    const attempt = new Attempt(request, handler);
    this.#pools.of(instance, request.port).start(attempt);
    return attempt;
  }

  forget(instanceId: string): void {
    this.#pools.forget(instanceId);
  }

  retain(inUse: ReadonlySet<string>): void {
    for (const id of this.#pools.instances) if (!inUse.has(id)) this.forget(id);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const pool of this.#pools) pool.destroy();
    this.#pools.clear();
  }

  #open(instance: Instance, port: number | null): Pool {
    const { connections, socketFolder, targets, names, trust } = this.#options;
    const url = port === null ? instance.url : withPort(instance.url, port);
    const { dialer, host } = reach(url, () => trust(instance), { names, targets, socketFolder });
    return new Pool({ dialer, host, buffer: this.#buffer, connections });
  }

  #sweep(): void {
    const before = performance.now() - this.#options.keepAliveMs;
    for (const pool of this.#pools) {
      pool.closeIdle(before);
      pool.follow();
    }
    this.#pools.prune();
    this.#options.names.prune();
  }
}
