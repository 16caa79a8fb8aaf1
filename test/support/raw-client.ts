import { connect } from "node:net";

/** What came back on a connection until it was closed, or until nothing more came for `quietMs`. */
export interface RawReply {
  readonly text: string;
  /** Status codes of the final responses in it. */
  readonly statuses: number[];
  readonly closed: boolean;
}

/** Sends bytes as they are and returns what comes back. */
export function sendRaw(port: number, bytes: string, { quietMs = 300 } = {}): Promise<RawReply> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    const done = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      const statuses = [...text.matchAll(/HTTP\/1\.[01] ([2-5]\d\d)/g)].map((match) => Number(match[1]));
      resolve({ text, statuses, closed });
    };
    const timer = setTimeout(() => done(false), quietMs);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      timer.refresh();
    });
    socket.on("close", () => done(true)).on("error", () => done(true));
    socket.write(bytes, "latin1");
  });
}
