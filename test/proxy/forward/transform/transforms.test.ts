import { expect, test } from "vitest";
import { Transforms } from "../../../../src/proxy/forward/transform/transforms.ts";

test("a document is read once for each set of settings; without one there is nothing to do", () => {
  const transforms = new Transforms();
  const settings = { transform: '{"request":{"query":{"remove":["a"]}}}' };
  expect(transforms.of({})).toBeNull();
  expect(transforms.of(settings)).toBe(transforms.of(settings));
});

test("a stored document that is none any more ends the call, and does not let it pass as it is", () => {
  const settings = { transform: '{"request":{"headers":{"set":{"host":"a"}}}}' };
  expect(() => new Transforms().of(settings)).toThrow(expect.objectContaining({ code: "GW_001" }));
});
