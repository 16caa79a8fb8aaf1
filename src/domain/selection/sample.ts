import type { Slots } from "./slots.ts";

/**
 * Up to `most` different slots that are in all of the sets: any of these as likely as any other, in random order. Of 100,000
 * slots that are 3,125 steps at the worst. `sets`: at least one. `random`: from 0 up to 1.
 */
export function sample(sets: readonly Slots[], most: number, random: () => number): number[] {
  const lists = sets.flatMap(({ list }) => (list === null ? [] : [list]));
  const shortest = lists.toSorted((a, b) => a.length - b.length)[0];
  if (shortest === undefined) return shuffled(fromBits(commonBits(sets), most, random), most, random);
  return shuffled(
    shortest.filter((slot) => sets.every((set) => set.list === shortest || set.has(slot))),
    most,
    random,
  );
}

function commonBits(sets: readonly Slots[]): Int32Array {
  const words = Math.min(...sets.map(({ bits }) => bits.length));
  const [first, ...others] = sets.map(({ bits }) => bits.subarray(0, words)) as [Int32Array, ...Int32Array[]];
  if (others.length === 0) return first;
  const common = first.slice();
  for (const bits of others) {
    for (let word = 0; word < common.length; word++) common[word] = (common[word] as number) & (bits[word] as number);
  }
  return common;
}

function fromBits(bits: Int32Array, most: number, random: () => number): number[] {
  let count = 0;
  for (let word = 0; word < bits.length; word++) count += bitsIn(bits[word] as number);
  const ranks = drawnRanks(count, most, random);
  const found: number[] = [];
  let [next, rank] = [0, 0];
  for (let word = 0; word < bits.length && next < ranks.length; word++) {
    let left = bits[word] as number;
    const after = rank + bitsIn(left);
    if ((ranks[next] as number) >= after) {
      rank = after;
      continue;
    }
    for (; left !== 0; left &= left - 1, rank++) {
      if (ranks[next] !== rank) continue;
      found.push(word * 32 + 31 - Math.clz32(left & -left));
      next += 1;
    }
  }
  return found;
}

/** Up to `most` different numbers below `count`, in ascending order. */
function drawnRanks(count: number, most: number, random: () => number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, rank) => rank);
  const ranks = new Set<number>();
  // Robert Floyd's sampling: as many draws as ranks.
  for (let last = count - most; last < count; last++) {
    const drawn = Math.floor(random() * (last + 1));
    ranks.add(ranks.has(drawn) ? last : drawn);
  }
  return [...ranks].toSorted((a, b) => a - b);
}

/** The first `most` of a list whose order is lost. */
function shuffled(list: number[], most: number, random: () => number): number[] {
  const end = Math.min(most, list.length);
  for (let index = 0; index < end; index++) {
    const other = index + Math.floor(random() * (list.length - index));
    [list[index], list[other]] = [list[other] as number, list[index] as number];
  }
  return list.slice(0, end);
}

function bitsIn(word: number): number {
  let bits = word - ((word >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
