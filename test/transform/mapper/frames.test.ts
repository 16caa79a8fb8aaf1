import { PassThrough } from "node:stream";
import { array, assert, asyncProperty, integer, tuple, uint8Array } from "fast-check";
import { expect, test } from "vitest";
import { FrameReader, writeFrame } from "../../../src/transform/mapper/frames.ts";

test("frames come out as they went in, however the pieces are cut", async () => {
  const frame = tuple(integer({ min: 0, max: 255 }), uint8Array({ maxLength: 40 }));
  await assert(
    asyncProperty(array(frame), integer({ min: 1, max: 17 }), async (frames, step) => {
      const stream = new PassThrough();
      for (const [kind, content] of frames) writeFrame(stream, kind, Buffer.from(content));
      stream.end();
      const bytes = Buffer.concat((await stream.toArray()) as Buffer[]);
      const read: [number, Uint8Array][] = [];
      const reader = new FrameReader(100, (kind, content) => void read.push([kind, Uint8Array.from(content)]));
      for (let at = 0; at < bytes.length; at += step) reader.read(bytes.subarray(at, at + step));
      expect(read).toEqual(frames);
    }),
  );
});

test("a frame that is larger than any may be is not waited for", () => {
  const reader = new FrameReader(10, () => undefined);
  expect(() => reader.read(Buffer.from([0, 0, 0, 11, 1]))).toThrow(RangeError);
});
