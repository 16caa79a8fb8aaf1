import type { Instance } from "../../../domain/sandbox.ts";
import type { Pool } from "./pool.ts";

/** So many other ports of one instance have connections at a time: who may use many must not make us hold them all open. */
const MOST_PORTS = 32;

/** The connections to all instances, in a pool for each port. */
export class Pools {
  readonly #open: (instance: Instance, port: number | null) => Pool;
  /** By instance. */
  readonly #own = new Map<string, Pool>();
  /** By instance and port; the one used last is the last. */
  readonly #others = new Map<string, Map<number, Pool>>();

  constructor(open: (instance: Instance, port: number | null) => Pool) {
    this.#open = open;
  }

  /** `port`: on the instance's host; null = its own. */
  of(instance: Instance, port: number | null): Pool {
    if (port !== null) return this.#other(instance, port);
    const known = this.#own.get(instance.id);
    if (known !== undefined) return known;
    const pool = this.#open(instance, null);
    this.#own.set(instance.id, pool);
    return pool;
  }

  *[Symbol.iterator](): IterableIterator<Pool> {
    yield* this.#own.values();
    for (const ports of this.#others.values()) yield* ports.values();
  }

  get instances(): Set<string> {
    return new Set([...this.#own.keys(), ...this.#others.keys()]);
  }

  /** Retires what is kept for an instance. */
  forget(instanceId: string): void {
    this.#own.get(instanceId)?.retire();
    this.#own.delete(instanceId);
    for (const pool of this.#others.get(instanceId)?.values() ?? []) pool.retire();
    this.#others.delete(instanceId);
  }

  /** Lets go of other ports to which there is no connection. */
  prune(): void {
    for (const [instanceId, ports] of this.#others) {
      for (const [port, pool] of ports) if (pool.isEmpty) ports.delete(port);
      if (ports.size === 0) this.#others.delete(instanceId);
    }
  }

  clear(): void {
    this.#own.clear();
    this.#others.clear();
  }

  #other(instance: Instance, port: number): Pool {
    let ports = this.#others.get(instance.id);
    if (ports === undefined) {
      ports = new Map();
      this.#others.set(instance.id, ports);
    }
    const pool = ports.get(port) ?? this.#open(instance, port);
    ports.delete(port);
    ports.set(port, pool);
    if (ports.size > MOST_PORTS) retireFirst(ports);
    return pool;
  }
}

function retireFirst(ports: Map<number, Pool>): void {
  for (const [port, pool] of ports) {
    pool.retire();
    ports.delete(port);
    return;
  }
}
