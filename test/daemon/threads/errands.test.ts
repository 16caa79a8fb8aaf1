import { expect, test } from "vitest";
import { Errands, type Outcome } from "../../../src/daemon/threads/errands.ts";
import { SOMEBODY } from "../../support/principal.ts";

const outcome: Outcome = { session: null };

test("errands end as the control thread says, each its own, and no session is opened while too many are under way", async () => {
  const sent: number[] = [];
  const errands = new Errands({ send: (id) => void sent.push(id) });
  const all = Array.from({ length: 64 }, (_, n) => errands.close(`ses_${n}`, "ada"));
  const session = { id: "ses_64", hash: "00", principal: SOMEBODY, secure: true, replaces: null, address: "192.0.2.1" };
  await expect(errands.open(session)).rejects.toMatchObject({ code: "RATE_002", retryAfter: 1 });
  errands.done(sent[1] as number, { code: "ROUTE_017", details: "ses_1" });
  await expect(all[1]).rejects.toMatchObject({ code: "ROUTE_017", details: "ses_1" });
  errands.done(sent[1] as number, outcome); // said twice: nobody waits any more
  const again = errands.close("ses_65", "ada");
  for (const id of sent) errands.done(id, outcome);
  await Promise.all([...all.filter((_, n) => n !== 1), again]);
});
