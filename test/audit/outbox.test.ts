import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AuditBatch, AuditOutbox } from "../../src/audit/outbox.ts";

/** An outbox, what it has sent, and who was told what in which order. */
function startOutbox({ strict = true } = {}) {
  const sent: AuditBatch[] = [];
  const told: string[] = [];
  const errors: unknown[] = [];
  const outbox = new AuditOutbox({
    send: (batch) => void sent.push(batch),
    strict,
    onError: (error) => void errors.push(error),
  });
  const receiver = (name: string) => ({ audited: (written: boolean) => void told.push(`${name}:${written}`) });
  const submit = (name: string): void => outbox.submit(name, receiver(name));
  return { outbox, sent, told, errors, submit };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the records of one turn", () => {
  test("are sent as one message at its end, a line each, numbered from 1", async () => {
    const { outbox, sent, submit } = startOutbox();
    submit("a");
    outbox.submit("b", null);
    submit("c");
    expect(sent).toEqual([]);
    await turn();
    submit("d");
    await turn();
    await turn();
    expect(sent).toEqual([
      { last: 3, count: 3, lines: "a\nb\nc" },
      { last: 4, count: 1, lines: "d" },
    ]);
  });
});

describe("in strict mode a receiver", () => {
  test("is told once, when its record is committed and not before", async () => {
    const { outbox, told, submit } = startOutbox();
    submit("a");
    submit("b");
    await turn();
    expect(told).toEqual([]);
    outbox.acknowledge(2, true);
    expect(told).toEqual(["a:true", "b:true"]);
    outbox.acknowledge(2, true);
    expect(told).toHaveLength(2);
  });

  test("is told when its record could not be committed", async () => {
    const { outbox, told, submit } = startOutbox();
    submit("a");
    await turn();
    submit("b");
    await turn();
    outbox.acknowledge(1, false);
    outbox.acknowledge(2, true);
    expect(told).toEqual(["a:false", "b:true"]);
  });

  test("of a later turn waits for that turn's acknowledgement; one acknowledgement may cover several turns", async () => {
    const { outbox, told, submit } = startOutbox();
    for (const name of ["a", "b", "c"]) {
      submit(name);
      await turn();
    }
    submit("d");
    outbox.acknowledge(2, true);
    expect(told).toEqual(["a:true", "b:true"]);
    await turn();
    outbox.acknowledge(4, true);
    expect(told).toEqual(["a:true", "b:true", "c:true", "d:true"]);
  });

  test("may submit the next record while it is told", async () => {
    const { outbox, sent, told, submit } = startOutbox();
    outbox.submit("a", { audited: () => submit("b") });
    submit("c");
    await turn();
    outbox.acknowledge(2, true);
    expect(told).toEqual(["c:true"]);
    await turn();
    expect(sent.at(-1)).toEqual({ last: 3, count: 1, lines: "b" });
    outbox.acknowledge(3, true);
    expect(told).toEqual(["c:true", "b:true"]);
  });

  test("that fails keeps nobody else from being told", async () => {
    const { outbox, told, errors, submit } = startOutbox();
    const failure = new Error("no such response");
    const failing = {
      audited() {
        throw failure;
      },
    };
    submit("a");
    outbox.submit("b", failing);
    submit("c");
    await turn();
    submit("d");
    await turn();
    outbox.acknowledge(4, true);
    expect(told).toEqual(["a:true", "c:true", "d:true"]);
    expect(errors).toEqual([failure]);
  });
});

test.each([true, false])(
  "a record that must be committed first is waited for, strict or not: strict %s",
  async (strict) => {
    const { outbox, told } = startOutbox({ strict });
    outbox.commit("a", { audited: (written) => void told.push(`a:${written}`) });
    await turn();
    expect(told).toEqual([]);
    outbox.acknowledge(1, false);
    expect(told).toEqual(["a:false"]);
  },
);

test.each([true, false])(
  "it is settled only when the last record was dealt with, with a receiver or without: strict %s",
  async (strict) => {
    const { outbox, submit } = startOutbox({ strict });
    let settled = 0;
    const settle = (): void => void outbox.settled().then(() => (settled += 1));
    settle();
    await turn();
    expect(settled).toBe(1);
    submit("a");
    outbox.submit("b", null);
    settle();
    await turn();
    outbox.submit("c", null);
    outbox.acknowledge(2, true);
    await turn();
    expect(settled).toBe(1);
    settle();
    outbox.acknowledge(3, false);
    await turn();
    expect(settled).toBe(3);
  },
);

describe("in relaxed mode a receiver", () => {
  test("is told at once, and not again when the record is committed or lost", async () => {
    const { outbox, sent, told, submit } = startOutbox({ strict: false });
    submit("a");
    expect(told).toEqual(["a:true"]);
    await turn();
    expect(sent).toEqual([{ last: 1, count: 1, lines: "a" }]);
    outbox.acknowledge(1, false);
    expect(told).toEqual(["a:true"]);
  });

  test("that fails loses no record", async () => {
    const { outbox, sent, errors } = startOutbox({ strict: false });
    const failure = new Error("no such response");
    outbox.submit("a", {
      audited() {
        throw failure;
      },
    });
    await turn();
    expect(sent).toEqual([{ last: 1, count: 1, lines: "a" }]);
    expect(errors).toEqual([failure]);
  });
});

test("whatever comes in whatever turns, each receiver is told once, in order, what became of its own record", async () => {
  // Each turn: how many records it has (every third without a receiver), whether it is committed, how late it is told.
  const turns = fc.array(fc.record({ records: fc.nat(5), written: fc.boolean(), late: fc.nat(3) }), {
    minLength: 1,
    maxLength: 12,
  });
  await fc.assert(
    fc.asyncProperty(turns, async (plan) => {
      const { outbox, sent, told, submit } = startOutbox();
      const expected: string[] = [];
      const due: { at: number; last: number; written: boolean }[] = [];
      let number = 0;
      for (const [now, { records, written, late }] of plan.entries()) {
        for (let record = 0; record < records; record++) {
          number += 1;
          if (number % 3 === 0) outbox.submit(`r${number}`, null);
          else submit(`r${number}`);
          if (number % 3 !== 0) expected.push(`r${number}:${written}`);
        }
        await turn();
        // Acknowledgements come in the order of the batches, however late.
        if (records > 0) due.push({ at: Math.max(now + late, due.at(-1)?.at ?? 0), last: number, written });
        while (due[0] !== undefined && due[0].at <= now) {
          outbox.acknowledge(due[0].last, due[0].written);
          due.shift();
        }
      }
      for (const { last, written } of due) outbox.acknowledge(last, written);
      expect(told).toEqual(expected);
      const lines = sent.flatMap((batch) => batch.lines.split("\n"));
      expect(sent.map(({ count }) => count)).toEqual(sent.map((batch) => batch.lines.split("\n").length));
      expect(lines).toEqual(Array.from({ length: number }, (_, index) => `r${index + 1}`));
    }),
    { numRuns: 60 },
  );
});
