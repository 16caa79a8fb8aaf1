import type { Instance, Sandbox } from "../../src/domain/sandbox.ts";

/** What nothing special is said of; a test names what it is about. */
export const PLAIN_SANDBOX = {
  runtime: "generic",
  driver: "static",
  strategy: null,
  labels: {},
  settings: {},
  createdAt: 0,
} as const satisfies Partial<Sandbox>;

export const PLAIN_INSTANCE = { weight: 1, draining: false, tripped: false } as const satisfies Partial<Instance>;

/** A sandbox for those to whom it does not matter which. */
export const SOME_SANDBOX: Sandbox = {
  id: "box",
  ...PLAIN_SANDBOX,
  instances: [],
};
