// When an instance is well and when it is sick: the only place that decides it.

import type { InstanceStateName } from "../../domain/instance/state.ts";

/**
 * What an attempt has been through with its instance.
 * - `answered`: a proper response head came.
 * - `unreachable`: no connection could be made.
 * - `broken`: the connection ended before the answer was whole.
 * - `invalid`: what came was not HTTP.
 * - `silent`: nothing came within the time allowed.
 * - `busy`: all connections it may have stayed in use.
 */
export type Experience = "answered" | "unreachable" | "broken" | "invalid" | "silent" | "busy";

/** Whether an experience speaks against the instance: a circuit counts it. What our own pool lacks does not. */
export function isFailure(experience: Experience): boolean {
  return experience !== "answered" && experience !== "busy";
}

/**
 * The state of an instance in state `now` after an experience with it. Only whether it can be reached counts: one that
 * breaks a call or is slow may do so for that call's sake. While its driver is bringing it up it need not be reachable yet.
 */
export function stateAfter(now: InstanceStateName, experience: Experience): InstanceStateName {
  if (experience === "answered") return "up";
  if (experience === "unreachable" && now !== "starting") return "down";
  return now;
}
