import { Socket } from "node:net";

/** The life of the child that `duplicate` starts: sends each of these descriptors back over its channel, then ends. */
export async function run(fds: readonly string[]): Promise<void> {
  for (const fd of fds) {
    // A listening socket is nothing to read from or to write to: this only makes it something that can be sent.
    const socket = new Socket({ fd: Number(fd), readable: false, writable: false });
    socket.on("error", () => undefined);
    const { _handle: handle } = socket as unknown as { readonly _handle: Socket };
    process.send?.({}, handle, { keepOpen: true });
  }
  process.once("disconnect", () => process.exit());
}
