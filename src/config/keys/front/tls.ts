import { key, section } from "../../key.ts";
import { integer, offOr } from "../../../domain/value/quantities.ts";
import { clientRoles } from "../../../domain/value/certificates.ts";
import { choice, path } from "../../../domain/value/words.ts";

export const tls = section("tls", "TLS on the listener that clients call.", {
  TLS_CERT_FILE: key(path(), "", "Certificate and its chain, PEM; empty = plain HTTP. Read again when it changes."),
  TLS_KEY_FILE: key(path(), "", "Its private key, PEM."),
  TLS_MIN_VERSION: key(choice("1.2", "1.3"), "1.2", "The oldest TLS that is spoken."),
  TLS_CLIENT_AUTH: key(
    choice("off", "optional", "required"),
    "off",
    "Whether clients are asked for a certificate; required = who shows none is not let in.",
  ),
  TLS_CLIENT_CA_FILE: key(path(), "", "The authorities whose certificates clients may show, PEM."),
  TLS_CLIENT_CRL_FILE: key(path(), "", "What these authorities have taken back, PEM; a list of each of them."),
  TLS_CLIENT_ROLES: key(clientRoles(), "", "Names in their certificates, and roles (docs/tls.md)."),
  HTTP_REDIRECT_PORT: key(
    offOr(integer(0, 65535)),
    "off",
    "A port on which plain HTTP is sent to https; 0 = any free port.",
  ),
});
