import { expect, test } from "vitest";
import { TICKET_MS, TicketCredential } from "../../../src/auth/credentials/ticket.ts";
import { TicketSlots } from "../../../src/limits/ticket-slots.ts";
import { createSharedMemory } from "../../../src/daemon/shared-memory/layout.ts";
import { SOMEBODY } from "../../support/principal.ts";

const SCOPE = { sandboxId: "box", port: null, methods: ["GET"], path: "/" };

function made(salt = "salt", memory = createSharedMemory(1)) {
  const clock = { now: 1_000_000 };
  const slots = new TicketSlots(memory.tickets);
  const kind = new TicketCredential({ hashKey: Buffer.alloc(32, 1), salt, slots, now: () => clock.now });
  const verify = () => kind.verify(ticket);
  const ticket = kind.issue(SOMEBODY, SCOPE);
  return { clock, kind, ticket, verify, memory };
}

test("a ticket speaks for who asked for it, as long as that one may, and for no more than its scope", async () => {
  const { verify } = made();
  expect(await verify()).toEqual({ ...SOMEBODY, credential: "ticket", sandboxes: ["box"], scope: SCOPE });
});

test("a ticket is good for half a minute", async () => {
  const { clock, verify } = made();
  clock.now += TICKET_MS;
  await expect(verify()).rejects.toMatchObject({ code: "AUTH_001", reason: "expired" });
  clock.now -= 1;
  await expect(verify()).resolves.toMatchObject({ subject: SOMEBODY.subject });
});

test("a ticket of another process, or one that was changed anywhere, is none", async () => {
  const { memory, ticket, kind } = made();
  await expect(made("other", memory).kind.verify(ticket)).rejects.toMatchObject({ code: "AUTH_001" });
  for (let at = 0; at < ticket.length; at += 7) {
    const changed = ticket.slice(0, at) + (ticket[at] === "A" ? "B" : "A") + ticket.slice(at + 1);
    await expect(kind.verify(changed)).rejects.toMatchObject({ code: "AUTH_001" });
  }
  expect(await kind.isOurs(ticket)).toBe(true);
  expect(await kind.isOurs("x.y")).toBe(false);
  expect((await kind.verify(ticket)).subject).toBe(SOMEBODY.subject);
});
