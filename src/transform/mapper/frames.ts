import type { Writable } from "node:stream";

/** A length in bytes, and what kind of frame it is. */
const HEAD = 5;

/** Writes one frame: 4 bytes length, 1 byte kind, content. */
export function writeFrame(stream: Writable, kind: number, content: Buffer): void {
  const head = Buffer.allocUnsafe(HEAD);
  head.writeUInt32BE(content.length);
  head.writeUInt8(kind, 4);
  stream.write(head);
  if (content.length > 0) stream.write(content);
}

/** Puts frames together from the pieces in which they come. */
export class FrameReader {
  readonly #most: number;
  readonly #onFrame: (kind: number, content: Buffer) => void;
  #pieces: Buffer[] = [];
  #size = 0;

  /** `most`: bytes of a frame's content. */
  constructor(most: number, onFrame: (kind: number, content: Buffer) => void) {
    this.#most = most;
    this.#onFrame = onFrame;
  }

  /** @throws RangeError for a frame that is larger than any may be */
  read(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#size += piece.length;
    while (this.#size >= HEAD) {
      // Joined only when something can be made of it: a large frame comes in many pieces.
      if ((this.#pieces[0] as Buffer).length < HEAD) this.#join();
      const [first] = this.#pieces as [Buffer];
      const length = first.readUInt32BE();
      if (length > this.#most) throw new RangeError(`a frame of ${length} bytes`);
      if (this.#size < HEAD + length) return;
      const whole = this.#join();
      this.#pieces = whole.length === HEAD + length ? [] : [whole.subarray(HEAD + length)];
      this.#size = whole.length - HEAD - length;
      this.#onFrame(whole[4] as number, whole.subarray(HEAD, HEAD + length));
    }
  }

  #join(): Buffer {
    const whole = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces);
    this.#pieces = [whole];
    return whole;
  }
}
