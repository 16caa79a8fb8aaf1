import { GatewayError } from "../../errors.ts";
import { type GivenSockets, givenSockets } from "../sockets/given.ts";
import { received, type TakeoverSockets, type ToPredecessor, type ToSuccessor } from "./messages.ts";

/** The process's own channel to the one that has started it. */
export type Channel = Pick<NodeJS.Process, "send" | "on" | "connected" | "disconnect">;

/** The process that this one is to replace, as this one sees it. */
export class Predecessor {
  readonly #channel: Channel;
  readonly #given: Promise<void>;
  #revision: number | undefined;
  #onRevision: () => void = () => undefined;

  /** @throws GatewayError GW_019 when this process was not started for it. */
  constructor(channel: Channel) {
    if (channel.send === undefined) {
      throw new GatewayError("GW_019", { details: "--takeover is for a process that a running gateway starts" });
    }
    this.#channel = channel;
    const given = Promise.withResolvers<void>();
    this.#given = given.promise;
    channel.on("message", (raw: unknown) => {
      const message = received<ToSuccessor>(raw, ["yours", "serves"]);
      if (message !== undefined) this.#serves(message.revision);
      if (message?.kind === "yours") given.resolve();
    });
    // Whoever gives up on this process kills it. So this is the end of the other one, and what it had is free.
    const ended = (): void => {
      this.#serves(undefined);
      given.resolve();
    };
    channel.on("disconnect", ended);
    if (!channel.connected) ended();
  }

  /** The revision that its threads still serve; undefined when it serves nobody any more. */
  get revision(): number | undefined {
    return this.#revision;
  }

  /** Calls this from now on when `revision` has changed. */
  onRevision(changed: () => void): void {
    this.#onRevision = changed;
  }

  /** Says that this process could start, and resolves when the data folder is free: because it was given up, or by death. */
  async ready(): Promise<void> {
    this.#send({ kind: "ready" });
    await this.#given;
  }

  /** This process serves. */
  serving(): void {
    this.#send({ kind: "serving" });
  }

  /** It never will. */
  failed(error: unknown): void {
    const problem = error instanceof GatewayError ? `${error.code}: ${error.message}` : String(error);
    this.#send({ kind: "failed", problem });
  }

  /** Nothing more is to be said: the channel no longer keeps this process alive. */
  leave(): void {
    if (this.#channel.connected) this.#channel.disconnect();
  }

  #serves(revision: number | undefined): void {
    this.#revision = revision;
    this.#onRevision();
  }

  #send(message: ToPredecessor): void {
    // One that has just died hears nothing; that it has is noticed by `disconnect`.
    if (this.#channel.connected) this.#channel.send?.(message, undefined, undefined, () => undefined);
  }
}

/** What to listen on, as the option says. @throws GatewayError GW_018, GW_019 */
export function takeoverSockets(text: string): GivenSockets {
  const { clients, admin, kept } = parsed(text);
  return givenSockets([...clients.map((fd) => ({ fd, name: "clients" })), { fd: admin, name: "admin" }], kept);
}

function parsed(text: string): TakeoverSockets {
  const wrong = new GatewayError("GW_019", { details: `--takeover does not understand ${JSON.stringify(text)}` });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong;
  }
  if (typeof value !== "object" || value === null) throw wrong;
  const { clients, admin, kept } = value as Partial<Record<keyof TakeoverSockets, unknown>>;
  if (!Array.isArray(clients) || !clients.every(isFd) || !isFd(admin) || typeof kept !== "boolean") throw wrong;
  return { clients, admin, kept };
}

function isFd(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 2;
}
