import { setTimeout as sleep } from "node:timers/promises";

/** Looks every `everyMs` until `holds`; false when it does not within `ms`. The last look is at the end of that time. */
export async function within(
  { ms, everyMs }: { readonly ms: number; readonly everyMs: number },
  holds: () => Promise<boolean>,
): Promise<boolean> {
  const end = performance.now() + ms;
  for (;;) {
    const isLast = performance.now() >= end;
    if (await holds()) return true;
    if (isLast) return false;
    await sleep(everyMs);
  }
}
