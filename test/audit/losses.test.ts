import { expect, test } from "vitest";
import { lossesIn } from "../../src/audit/losses.ts";
import { ACCEPTED_LOSS, adminRecord, lossRecord } from "../../src/audit/record.ts";

test("what was dropped and what was accepted as lost are losses; a path or an actor that speaks of one is none", () => {
  const accepted = { at: 1, actor: "cli:ada", action: ACCEPTED_LOSS, target: "audit", details: { loss: "all" } };
  const records = [
    lossRecord({ at: 1, records: 7, from: 0, until: 1 }),
    adminRecord({ ...accepted, action: "token.create", actor: `"action":"${ACCEPTED_LOSS}"` }),
    adminRecord(accepted),
    JSON.stringify({ kind: "proxy", path: '{"kind":"loss"' }),
  ];
  const losses = lossesIn({ seq: 14, count: 4, lines: records.join("\n"), hash: "h" });
  expect(losses.map(({ seq }) => seq)).toEqual([11, 13]);
});
