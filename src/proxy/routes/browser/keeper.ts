import type { NewSession, SessionRecord } from "../../../domain/credential/session.ts";

/** Who keeps sessions. What has been done is in force on all threads when a promise resolves. */
export interface SessionKeeper {
  open(session: NewSession): Promise<SessionRecord>;
  /** @throws GatewayError ROUTE_017 when it is not open any more. */
  close(id: string, subject: string): Promise<void>;
}
