/**
 * What is known of an instance: `unknown` until it has been tried, `starting` while its driver brings it up, `up` when it
 * answers, `down` when it cannot be reached. The order is the one in which shared memory numbers them.
 */
export const INSTANCE_STATES = ["unknown", "up", "down", "starting"] as const;
export type InstanceStateName = (typeof INSTANCE_STATES)[number];
