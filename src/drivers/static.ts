import type { Driver } from "./driver.ts";

/** Instances that live and die elsewhere: the gateway only knows their addresses, and learns their state by calling them. */
export class StaticDriver implements Driver {
  start(): void {}

  async stop(): Promise<void> {}

  async close(): Promise<void> {}
}
