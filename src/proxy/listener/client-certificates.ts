import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { ClientTrust } from "../../auth/certificates/client-trust.ts";
import { GatewayError } from "../../errors.ts";
import type { PeerSocket } from "../request/peer-socket.ts";

/** What is cut gets so long to be answered before its connection goes. */
const END_MS = 300;

/** The certificates of who is connected: asked for at the handshake, and again when what they are trusted by changes. */
export class ClientCertificates {
  #trust: ClientTrust;
  readonly #shown = new Map<PeerSocket, X509Certificate>();

  constructor(trust: ClientTrust) {
    this.#trust = trust;
  }

  /** Right after the handshake. False: this client is not let in. */
  meet(socket: TLSSocket & PeerSocket): boolean {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return !this.#trust.required;
    if (!socket.authorized || !this.#trust.accepts(certificate)) return false;
    socket.certificate = certificate.raw.toString("base64");
    this.#shown.set(socket, certificate);
    socket.once("close", () => this.#shown.delete(socket));
    return true;
  }

  /** Ends what clients have open whose certificates are not good under these authorities and lists. */
  renew(trust: ClientTrust): void {
    this.#trust = trust;
    for (const [socket, certificate] of this.#shown) if (!trust.keeps(certificate)) end(socket);
  }
}

function end(socket: PeerSocket): void {
  const { exchange } = socket;
  if (exchange === undefined) return void socket.destroy();
  exchange.withdraw(new GatewayError("AUTH_013", { details: "The client's certificate is not trusted any more" }));
  const timer = setTimeout(() => socket.destroy(), END_MS);
  socket.once("close", () => clearTimeout(timer));
}
