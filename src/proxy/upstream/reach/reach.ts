import { isIP } from "node:net";
import { join } from "node:path";
import { isLocalhost, LOCALHOST, type TargetPolicy, targetRefusal } from "../../../domain/target-policy.ts";
import { type Dialer, type DialHandler, type Dialing, type Reader, TargetRefused } from "./dial.ts";
import type { Names } from "./names.ts";
import { Race } from "./race.ts";
import { Secure, type TlsTrust } from "./secure.ts";

export interface ReachOptions {
  readonly names: Names;
  readonly targets: () => TargetPolicy;
  /** Where the sockets of `unix:` instances are. */
  readonly socketFolder: string;
}

/** An instance's address taken apart: how to connect to it, and the Host field it expects. */
export interface Reached {
  readonly dialer: Dialer;
  readonly host: string;
}

/** How the instance at a URL is reached. `trust`: for one behind TLS. @throws Error when a PEM text of it is none. */
export function reach(url: string, trust: () => TlsTrust, { names, targets, socketFolder }: ReachOptions): Reached {
  if (url.startsWith("unix:")) {
    const path = join(socketFolder, url.slice("unix:".length));
    return { dialer: { dial: (reader, handler) => new Race([{ path }], reader, handler) }, host: "localhost" };
  }
  const { protocol, hostname, port, host } = new URL(url);
  const isSecure = protocol === "https:";
  const plain = (hostname.startsWith("[") ? hostname.slice(1, -1) : hostname).replace(/\.$/, "");
  const way = {
    port: port === "" ? (isSecure ? 443 : 80) : Number(port),
    secure: isSecure ? new Secure(plain, trust()) : null,
    targets,
  };
  if (isIP(plain) !== 0) return { dialer: new FixedDialer([plain], way), host };
  if (isLocalhost(plain)) return { dialer: new FixedDialer(LOCALHOST, way), host };
  return { dialer: new NamedDialer(plain, names, way), host };
}

/** An instance whose addresses are known. */
class FixedDialer implements Dialer {
  readonly #addresses: readonly string[];
  readonly #way: Way;

  constructor(addresses: readonly string[], way: Way) {
    this.#addresses = addresses;
    this.#way = way;
  }

  dial(reader: Reader, handler: DialHandler): Dialing {
    const steps = new Steps(this.#way, reader, handler);
    const allowed = allowedOf(this.#addresses, this.#way);
    if (allowed.length > 0) steps.race(allowed);
    else setImmediate(() => steps.fail(refused(this.#addresses)));
    return steps;
  }
}

/** An instance by name: asked for anew for every connection, so far as DNS lets the answer be kept. */
class NamedDialer implements Dialer {
  readonly #name: string;
  readonly #way: Way;
  readonly #names: Names;

  constructor(name: string, names: Names, way: Way) {
    this.#name = name;
    this.#names = names;
    this.#way = { ...way, onAnswered: (address) => names.prefer(name, address) };
  }

  dial(reader: Reader, handler: DialHandler): Dialing {
    const steps = new Steps(this.#way, reader, handler);
    this.#names.find(this.#name).then(
      (addresses) => {
        const allowed = allowedOf(addresses, this.#way);
        if (allowed.length > 0) steps.race(allowed);
        else steps.fail(refused(addresses));
      },
      (error: unknown) => steps.fail(error as Error),
    );
    return steps;
  }

  refresh(): void {
    this.#names.refresh(this.#name);
  }

  hasLeft(address: string): boolean {
    return this.#names.known(this.#name)?.includes(address) === false;
  }
}

/** What all connections to one instance have in common. */
interface Way {
  readonly port: number;
  readonly secure: Secure | null;
  readonly targets: () => TargetPolicy;
  readonly onAnswered?: (address: string) => void;
}

/** The steps to a connection when its addresses are known and checked: the race, then TLS. */
class Steps implements Dialing {
  readonly #way: Way;
  readonly #reader: Reader;
  readonly #handler: DialHandler;
  #step: Dialing | undefined;
  #cancelled = false;

  constructor(way: Way, reader: Reader, handler: DialHandler) {
    this.#way = way;
    this.#reader = reader;
    this.#handler = handler;
  }

  race(addresses: readonly string[]): void {
    if (this.#cancelled) return;
    const { port, secure, onAnswered } = this.#way;
    const endpoints = addresses.map((host) => ({ host, port }));
    this.#step = new Race(endpoints, secure === null ? this.#reader : null, {
      onConnected: (socket, address) => {
        onAnswered?.(address);
        if (secure === null) this.#handler.onConnected(socket, address);
        else this.#step = secure.start(socket, address, this.#reader, this.#handler);
      },
      onFailed: (error) => this.#handler.onFailed(error),
    });
  }

  fail(error: Error): void {
    if (!this.#cancelled) this.#handler.onFailed(error);
  }

  cancel(): void {
    this.#cancelled = true;
    this.#step?.cancel();
  }
}

function allowedOf(addresses: readonly string[], { targets }: Way): string[] {
  const policy = targets();
  return addresses.filter((address) => targetRefusal(address, policy, "administrator") === undefined);
}

function refused(addresses: readonly string[]): TargetRefused {
  return new TargetRefused(`not allowed: ${addresses.join(", ")}`);
}
