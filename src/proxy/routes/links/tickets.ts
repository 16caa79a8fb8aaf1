import { z } from "zod";
import type { Caller } from "../../../auth/caller.ts";
import { authorize, authorizeHttp, authorizeProxy, findPort } from "../../../auth/authorize.ts";
import { TICKET_MS, TICKET_PARAMETER, type TicketCredential } from "../../../auth/credentials/ticket.ts";
import { type JsonNode, JsonRefusal, scanJson, valueOf } from "../../../domain/json-scan.ts";
import { isSandboxId } from "../../../domain/sandbox.ts";
import { GatewayError } from "../../../errors.ts";
import { checkContentType } from "../../../execution/validate.ts";
import { BodyMemory } from "../../../limits/body-memory.ts";
import type { Cap } from "../../../limits/cap.ts";
import type { Exchange } from "../../request/exchange.ts";
import type { Head } from "../../request/head.ts";
import { type BodyLimits, checkBodyLength, readBody } from "../../request/read-body.ts";
import type { Responder } from "../../request/respond.ts";
import type { Admission } from "../admit.ts";
import { checkScope } from "./scope.ts";

export interface TicketsOptions {
  /** null: authentication is off, and nobody needs one. */
  readonly tickets: TicketCredential | null;
  readonly admission: Admission;
  readonly responder: Responder;
  readonly bodyMemory: Cap;
  readonly bodyLimits: Omit<BodyLimits, "size">;
}

/** Bytes: it names a sandbox and a path. */
const BODY_SIZE = 8_192;

const MEMBERS = 16;

/** Nothing else is ever asked for: a target is visible ASCII. */
const PATH = /^\/[!-~]{0,1023}$/;

const ticketBody = z.strictObject({
  sandbox_id: z.string().refine(isSandboxId, "not a sandbox id"),
  port: z.int().min(1).max(65_535).optional(),
  path: z.string().regex(PATH, "expected a path as a request line has it, at most 1024 characters").default("/"),
});

/** `POST /api/v1/tickets`: half a minute in which the caller's page may open one WebSocket or event stream without a token. */
export class TicketsRoute {
  readonly #o: TicketsOptions;

  constructor(options: TicketsOptions) {
    this.#o = options;
  }

  async serve(exchange: Exchange, head: Head, caller: Caller): Promise<void> {
    const { principal, standing } = caller;
    const { tickets, admission, responder, bodyMemory, bodyLimits } = this.#o;
    exchange.route = "api";
    authorize(standing, "sandbox:proxy");
    authorizeProxy(principal);
    if (principal.credential === "ticket") {
      throw new GatewayError("AUTH_007", { details: "A ticket is for what it was asked for, not for another one" });
    }
    if (tickets === null) throw new GatewayError("ROUTE_002");
    checkContentType(head.contentType);
    checkBodyLength(head.bodyLength, BODY_SIZE);
    if (head.expectsContinue) exchange.res.writeContinue();
    const memory = new BodyMemory({ cap: bodyMemory, callerKey: caller.shareKey });
    const body = await readBody(exchange, memory, { ...bodyLimits, size: BODY_SIZE });
    exchange.bytesIn = body.length;
    const { sandbox_id: sandboxId, port = null, path } = parsed(body);
    exchange.sandboxId = sandboxId;
    const sandbox = admission.admit(exchange, caller, "sandbox:proxy", sandboxId);
    const scope = { sandboxId, port: findPort(sandbox, port), methods: ["GET"], path };
    exchange.rule = authorizeHttp(standing, sandbox, "GET", scope.port);
    if (principal.scope !== null) checkScope(principal.scope, { ...scope, method: "GET" });
    const ticket = tickets.issue(principal, scope);
    const answer = { ticket, parameter: TICKET_PARAMETER, expires_in_ms: TICKET_MS };
    responder.json(exchange, 201, JSON.stringify(answer));
  }
}

function scanned(body: Buffer): JsonNode {
  try {
    return scanJson(body, { members: MEMBERS });
  } catch (cause) {
    if (cause instanceof JsonRefusal) throw new GatewayError("VAL_002", { details: cause.message, cause });
    throw cause;
  }
}

function parsed(body: Buffer): z.infer<typeof ticketBody> {
  const found = ticketBody.safeParse(valueOf(body, scanned(body)));
  if (found.success) return found.data;
  const details = found.error.issues.map(({ path, message }) => `${path.join(".") || "body"}: ${message}`).join("; ");
  throw new GatewayError("VAL_003", { details });
}
