// What a place in shared memory says about an instance: whose place it is and in which state that one is, in one word, so
// that a thread which still knows a former owner can never write about the present one.

import { INSTANCE_STATES, type InstanceStateName } from "../../domain/instance/state.ts";
import type { Instance } from "../../domain/sandbox.ts";

const STATE_BITS = 4;
const OWNERS = 2 ** (32 - STATE_BITS) - 1;

/** A place that is nobody's. */
export const NOBODY = 0;

export function stateWord(instance: Instance, state: InstanceStateName): number {
  return (ownerOf(instance) << STATE_BITS) | INSTANCE_STATES.indexOf(state);
}

export function isOwnedBy(word: number, instance: Pick<Instance, "number">): boolean {
  return word >>> STATE_BITS === ownerOf(instance);
}

export function stateIn(word: number): InstanceStateName {
  return INSTANCE_STATES[word & (2 ** STATE_BITS - 1)] ?? "unknown";
}

/** Never 0. Instances are numbered without end; 268 million of them lie between two that look the same. */
function ownerOf({ number }: Pick<Instance, "number">): number {
  return (number % OWNERS) + 1;
}
