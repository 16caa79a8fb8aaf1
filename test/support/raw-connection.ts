import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A connection that is written and read byte by byte; gone when the test is over. */
export class RawConnection {
  readonly socket: Socket;
  /** Everything received so far. */
  text = "";
  closed = false;
  #check = (): void => undefined;

  /** `localAddress`: where it comes from; anything in 127.0.0.0/8. */
  constructor(port: number, { localAddress = "127.0.0.1" } = {}) {
    this.socket = connect({ port, host: "127.0.0.1", localAddress });
    this.socket.on("data", (chunk) => {
      this.text += chunk.toString("latin1");
      this.#check();
    });
    this.socket
      .on("error", () => undefined)
      .once("close", () => {
        this.closed = true;
        this.#check();
      });
    onTestFinished(() => void this.socket.destroy());
  }

  static async open(port: number, options: { localAddress?: string } = {}): Promise<RawConnection> {
    const connection = new RawConnection(port, options);
    await once(connection.socket, "connect");
    return connection;
  }

  /** Status codes of the final responses received so far. */
  get statuses(): number[] {
    return [...this.text.matchAll(/HTTP\/1\.[01] ([2-5]\d\d)/g)].map((match) => Number(match[1]));
  }

  send(bytes: string): this {
    this.socket.write(bytes, "latin1");
    return this;
  }

  /** Resolves when `pattern` has been received. */
  async received(pattern: string | RegExp, withinMs = 5_000): Promise<void> {
    const found = (): boolean => (typeof pattern === "string" ? this.text.includes(pattern) : pattern.test(this.text));
    await this.#until(found, `${pattern} was not received`, withinMs);
  }

  /** Resolves, with the milliseconds it took, when the other side has closed the connection. */
  async end(withinMs = 5_000): Promise<number> {
    const before = performance.now();
    await this.#until(() => this.closed, "the connection was not closed", withinMs);
    return performance.now() - before;
  }

  #until(holds: () => boolean, complaint: string, withinMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void =>
        reject(new Error(`${why}; received ${JSON.stringify(this.text.slice(-500))}`));
      const timer = setTimeout(() => fail(`${complaint} within ${withinMs} ms`), withinMs);
      this.#check = () => {
        if (!holds() && !this.closed) return;
        clearTimeout(timer);
        if (holds()) resolve();
        else fail(`${complaint} before the connection was closed`);
      };
      this.#check();
    });
  }
}
