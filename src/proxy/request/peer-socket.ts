import type { Socket } from "node:net";
import type { IpAccess, Peer } from "../../auth/ip-access.ts";
import type { Exchange } from "./exchange.ts";

/** Another protocol that a client wants to go on in, on this connection (RFC 9110 section 7.8). */
export interface Offer {
  /** As the client names it. */
  readonly protocol: string;
  /** What the Sec-WebSocket-Accept of the answer must be (RFC 6455 section 4.2.2); null for other protocols. */
  readonly accept: string | null;
  /** Bytes that came right behind the request. */
  early: Buffer;
}

/** A client connection, with what was decided about it when it opened, or was used under new rules. */
export interface PeerSocket extends Socket {
  peer?: Peer;
  /** Whose decision that was. */
  access?: IpAccess;
  /** The request being served; those sent behind it wait for their turn. */
  exchange?: Exchange | undefined;
  waiting?: number;
  /** Where the request just parsed ends, if it offers to go on in another protocol; see listener/offer.ts. */
  offerEnd?: number | undefined;
  /** What is to be taken up if the instance does. */
  offer?: Offer;
  /** node:http's parser, which knows what is being read. */
  parser?: { getCurrentBuffer?(): Buffer };
  /** `bytesRead` when what it brought stopped to be HTTP. */
  brokenAt?: number;
}
