import { join } from "node:path";
import { type Dispatcher, Pool } from "undici";
import type { Instance } from "../domain/sandbox.ts";
import type { UpstreamClient, UpstreamHandler, UpstreamRequest } from "./upstream.ts";

/** Informational responses an instance may send before its answer; endless ones are an attack. */
const MAX_INFORMATIONAL = 10;

/**
 * The upstream client over undici's dispatch, one pool per instance. undici's own timeouts are off: the gateway's
 * deadlines cover every wait but the connect.
 */
export class UndiciClient implements UpstreamClient {
  readonly #pools = new Map<string, Pool>();
  readonly #connections: number;
  readonly #connectTimeoutMs: number;
  readonly #keepAliveMs: number;
  readonly #socketFolder: string;

  constructor(options: {
    /** Per instance and thread. */
    connections: number;
    connectTimeoutMs: number;
    /** How long an idle connection is kept when the instance does not say. */
    keepAliveMs: number;
    /** Where the sockets of `unix:` instances are. */
    socketFolder: string;
  }) {
    this.#connections = options.connections;
    this.#connectTimeoutMs = options.connectTimeoutMs;
    this.#keepAliveMs = options.keepAliveMs;
    this.#socketFolder = options.socketFolder;
  }

  start(instance: Instance, request: UpstreamRequest, handler: UpstreamHandler): void {
    const pool = this.#pools.get(instance.id) ?? this.#open(instance);
    const { method, path, headers, body } = request;
    pool.dispatch({ method, path, headers, body }, new Call(handler));
  }

  forget(instanceId: string): void {
    const pool = this.#pools.get(instanceId);
    this.#pools.delete(instanceId);
    void pool?.close();
  }

  retain(inUse: ReadonlySet<string>): void {
    for (const id of this.#pools.keys()) if (!inUse.has(id)) this.forget(id);
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  #open(instance: Instance): Pool {
    const unix = instance.url.startsWith("unix:");
    const pool = new Pool(unix ? "http://localhost" : instance.url, {
      connections: this.#connections,
      pipelining: 1,
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: this.#keepAliveMs,
      connect: { timeout: this.#connectTimeoutMs, autoSelectFamily: true },
      ...(unix ? { socketPath: join(this.#socketFolder, instance.url.slice("unix:".length)) } : {}),
    });
    this.#pools.set(instance.id, pool);
    return pool;
  }
}

/** Translates undici's handler calls into the gateway's. */
class Call implements Dispatcher.DispatchHandler {
  readonly #handler: UpstreamHandler;
  #informational = 0;

  constructor(handler: UpstreamHandler) {
    this.#handler = handler;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#handler.onSent(controller);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) {
      if (++this.#informational > MAX_INFORMATIONAL) controller.abort(new Error("too many informational responses"));
      return;
    }
    this.#handler.onHead(status, controller.rawHeaders as unknown as Buffer[]);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler.onData(chunk);
  }

  onResponseEnd(): void {
    this.#handler.onEnd();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#handler.onError(error);
  }
}
