import { isIP, type Socket } from "node:net";
import { connect, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { CertificateRefused, type DialHandler, type Dialing, type Reader } from "./dial.ts";

/** How an instance shows that it is the one that is meant, and the gateway that it is the gateway. PEM texts. */
export interface TlsTrust {
  /** false: any certificate will do. */
  readonly verify: boolean;
  /** Authorities that may have signed the instance's certificate; "" = the public ones. */
  readonly ca: string;
  /** The certificate must be for this name, and the instance is told it; "" = the URL's host. */
  readonly serverName: string;
  /** The gateway's own certificate and its key; "" = none. */
  readonly certificate: string;
  readonly key: string;
}

/** TLS to one instance: its certificate's name, and the session by which the next connection is faster. */
export class Secure {
  readonly #context: SecureContext;
  readonly #verify: boolean;
  /** A name or an address. */
  readonly #peer: string;
  #session: Buffer | undefined;

  /** `host`: the URL's, without brackets or a dot at its end. @throws Error when a PEM text is none. */
  constructor(host: string, trust: TlsTrust) {
    const { ca, certificate, key } = trust;
    this.#context = createSecureContext({
      ...(ca === "" ? {} : { ca }),
      ...(certificate === "" ? {} : { cert: certificate, key }),
    });
    this.#verify = trust.verify;
    this.#peer = trust.serverName === "" ? host : trust.serverName;
  }

  /** Makes TLS of a connected socket. What is read goes to `reader` from then on. */
  start(socket: Socket, address: string, reader: Reader, handler: DialHandler): Dialing {
    let over = false;
    const secured = connect({
      socket,
      secureContext: this.#context,
      host: this.#peer,
      // An address is no server name (RFC 6066 section 3); it is compared with the certificate all the same.
      servername: isIP(this.#peer) === 0 ? this.#peer : "",
      rejectUnauthorized: this.#verify,
      ALPNProtocols: ["http/1.1"],
      session: this.#session,
    });
    const fail = (error: Error): void => {
      if (over) return;
      over = true;
      secured.destroy();
      handler.onFailed(isAboutCertificate(error, secured) ? new CertificateRefused(error) : error);
    };
    secured
      .once("secureConnect", () => {
        if (over) return;
        over = true;
        // TLS over a socket that is there already does not read into a buffer of ours.
        secured.on("data", (chunk: Buffer) => void reader.callback(chunk.length, chunk));
        handler.onConnected(secured, address);
      })
      .on("session", (session: Buffer) => {
        this.#session = session;
      })
      .on("error", fail)
      .once("close", () => fail(Object.assign(new Error("closed during the handshake"), { code: "ECONNRESET" })));
    return {
      cancel: () => {
        over = true;
        secured.destroy();
      },
    };
  }
}

/** The error with which Node answers a chain or a name it does not accept, and not one of the transport or the protocol. */
function isAboutCertificate(error: Error, socket: TLSSocket): boolean {
  if ("code" in error && error.code === "ERR_TLS_CERT_ALTNAME_INVALID") return true;
  const reason: unknown = socket.authorizationError;
  return typeof reason === "string" && "code" in error && reason === error.code;
}
