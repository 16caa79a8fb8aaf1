import type { Socket } from "node:net";
import { GatewayError } from "../../errors.ts";
import type { TunnelControl } from "../dispatch/receiver.ts";
import type { Exchange, Offer } from "../request/exchange.ts";
import { LINGER_MS } from "../request/linger.ts";
import type { Recorder } from "../request/record.ts";
import type { Wire } from "../upstream/upstream.ts";
import { closeFrame } from "./close-frame.ts";

export interface TunnelOptions {
  readonly exchange: Exchange;
  /** Of the 101 that the client gets. */
  readonly fields: readonly string[];
  readonly wire: Wire;
  readonly control: TunnelControl;
  readonly recorder: Recorder;
}

/**
 * A client's connection and an instance's, joined after a 101: bytes pass untouched both ways, as fast as the slower side
 * takes them. The end of one direction is passed on as such, a reset as a reset.
 */
export class Tunnel {
  readonly #o: TunnelOptions;
  readonly #client: Socket;
  readonly #instance: Socket;
  #clientEnded = false;
  #instanceEnded = false;
  #over = false;

  constructor(options: TunnelOptions) {
    this.#o = options;
    this.#client = options.exchange.req.socket;
    this.#instance = options.wire.socket;
  }

  open(): void {
    const { exchange, wire, control } = this.#o;
    // The listener would destroy the connection after a time of its own. All that moves moves over this one.
    this.#client.removeAllListeners("timeout").setTimeout(control.idleMs, () => {
      if (this.#over) reset(this.#client);
      else exchange.cut(new GatewayError("PROXY_011"));
    });
    const offer = exchange.offer as Offer;
    offer.decided();
    this.#client.write(this.#head(), "latin1");
    wire.onData = (chunk) => this.#toClient(chunk);
    this.#instance
      .on("drain", () => this.#client.resume())
      .once("end", () => this.#instanceEnd())
      .once("close", () => this.#instanceClosed());
    this.#client
      .on("drain", () => this.#instance.resume())
      .on("data", (chunk: Buffer) => this.#toInstance(chunk))
      .once("end", () => this.#clientEnd());
    if (wire.early.length > 0) this.#toClient(wire.early);
    for (const chunk of offer.early) this.#toInstance(chunk);
    this.#client.resume();
  }

  /** Ends both sides: the client left, or it must not go on. A WebSocket's client is told why. */
  fail(error: GatewayError): void {
    if (this.#over) return;
    const { exchange, recorder } = this.#o;
    reset(this.#instance);
    if (error.code === "PROXY_005") return this.#record(error.code);
    recorder.refusal(error);
    this.#record(error.code);
    if ((exchange.offer as Offer).accept !== null) this.#client.write(closeFrame(error));
    this.#client.end();
    const timer = setTimeout(() => this.#client.destroy(), LINGER_MS);
    this.#client.once("close", () => clearTimeout(timer));
  }

  #head(): string {
    const { exchange, fields } = this.#o;
    let head = `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${(exchange.offer as Offer).protocol}\r\n`;
    for (let index = 0; index < fields.length; index += 2) head += `${fields[index]}: ${fields[index + 1]}\r\n`;
    return `${head}\r\n`;
  }

  #toClient(chunk: Buffer): void {
    if (this.#over || !this.#client.writable) return;
    this.#o.exchange.bytesOut += chunk.length;
    if (!this.#client.write(chunk)) this.#instance.pause();
  }

  #toInstance(chunk: Buffer): void {
    if (this.#over || !this.#instance.writable) return;
    this.#o.exchange.bytesIn += chunk.length;
    if (!this.#instance.write(chunk)) this.#client.pause();
  }

  #instanceEnd(): void {
    this.#instanceEnded = true;
    this.#client.end();
    this.#oneEnded();
  }

  #clientEnd(): void {
    this.#clientEnded = true;
    this.#instance.end();
    this.#oneEnded();
  }

  #oneEnded(): void {
    if (this.#over) return;
    // A client that has died looks like one that only listens: that is not believed for as long.
    if (!this.#clientEnded || !this.#instanceEnded) return void this.#client.setTimeout(this.#o.control.halfOpenMs);
    this.#o.control.ended("delivered");
    this.#record("");
    // What either has not taken yet is still to go out; to the client, its own timer sees.
    this.#instance.setTimeout(this.#o.control.idleMs, () => reset(this.#instance));
  }

  /** Without an end before it, that was a reset. */
  #instanceClosed(): void {
    if (this.#over) return;
    this.#o.control.ended("broken");
    this.#record("PROXY_002");
    reset(this.#client);
  }

  #record(outcome: string): void {
    const { exchange, recorder } = this.#o;
    this.#over = true;
    exchange.outcome = outcome;
    recorder.record(exchange, null);
  }
}

/** Only a TCP connection can be reset; others are closed at once. */
function reset(socket: Socket): void {
  if (socket.remoteAddress === undefined || "encrypted" in socket) socket.destroy();
  else socket.resetAndDestroy();
}
