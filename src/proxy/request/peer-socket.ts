import type { Socket } from "node:net";
import type { IpAccess, Peer } from "../../auth/ip-access.ts";
import type { Exchange, Offer } from "./exchange.ts";

/** A client connection, with what was decided about it when it opened, or was used under new rules. */
export interface PeerSocket extends Socket {
  peer?: Peer;
  /** Whose decision that was. */
  access?: IpAccess;
  /** The client's, found good at the handshake; DER in base64. */
  certificate?: string;
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

/** Whether the client speaks TLS, and has been understood. */
export function isSecure(socket: Socket): boolean {
  return "encrypted" in socket;
}
