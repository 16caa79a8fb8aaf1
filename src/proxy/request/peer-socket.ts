import type { Socket } from "node:net";
import type { Peer } from "../../auth/ip-access.ts";
import type { Exchange } from "./exchange.ts";

/** A client connection, with what was decided about it when it opened. */
export interface PeerSocket extends Socket {
  peer?: Peer;
  /** The request being served; those sent behind it wait for their turn. */
  exchange?: Exchange | undefined;
  waiting?: number;
  /** `bytesRead` when what it brought stopped to be HTTP. */
  brokenAt?: number;
}
