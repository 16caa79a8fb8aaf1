import { readFileSync } from "node:fs";
import { z } from "zod";
import { type Frame, type Layer, layerOf } from "./layers.ts";

const profile = z.object({
  startTime: z.number(),
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
      children: z.array(z.number()).optional(),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});

/** One function's part of a thread's work. */
export interface Share {
  readonly layer: Layer;
  /** `name file:line`, or the native function's name. */
  readonly where: string;
  /** 0 to 1 of the time in which the thread was not idle. */
  readonly share: number;
}

/** Reads a V8 CPU profile: self time by function and layer, of the samples between two points of the monotonic clock (microseconds). */
export function readShares(file: string, from: number, to: number): Share[] {
  const { startTime, nodes, samples, timeDeltas } = profile.parse(JSON.parse(readFileSync(file, "utf8")));
  const self = new Map<number, number>();
  let [now, busy] = [startTime, 0];
  const idle = new Set(nodes.filter(({ callFrame }) => callFrame.functionName === "(idle)").map(({ id }) => id));
  for (const [at, id] of samples.entries()) {
    const delta = timeDeltas[at] ?? 0;
    now += delta;
    if (now < from || now > to || idle.has(id)) continue;
    self.set(id, (self.get(id) ?? 0) + delta);
    busy += delta;
  }

  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children }) => (children ?? []).map((child) => [child, id] as const)));
  const callers = (id: number): Frame[] => {
    const found: Frame[] = [];
    for (let at = parents.get(id); at !== undefined; at = parents.get(at)) {
      const node = byId.get(at);
      if (node !== undefined) found.push(node.callFrame);
    }
    return found;
  };

  const shares = new Map<string, Share>();
  for (const [id, time] of self) {
    const node = byId.get(id);
    if (node === undefined) continue;
    const { functionName, url, lineNumber } = node.callFrame;
    const layer = layerOf(node.callFrame, callers(id));
    const place = url === "" ? "native" : `${url.replace(/^.*\/(src|node_modules)\//, "$1/")}:${lineNumber + 1}`;
    const where = `${functionName || "(anonymous)"}  ${place}`;
    const key = `${layer} ${where}`;
    shares.set(key, { layer, where, share: (shares.get(key)?.share ?? 0) + time / busy });
  }
  return [...shares.values()];
}
