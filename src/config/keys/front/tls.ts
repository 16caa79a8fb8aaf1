import { key, section } from "../../key.ts";
import { integer, offOr } from "../../../domain/value/quantities.ts";
import { choice, path } from "../../../domain/value/words.ts";

export const tls = section("tls", "TLS on the listener that clients call.", {
  TLS_CERT_FILE: key(path(), "", "Certificate and its chain, PEM; empty = plain HTTP. Read again when it changes."),
  TLS_KEY_FILE: key(path(), "", "Its private key, PEM."),
  TLS_MIN_VERSION: key(choice("1.2", "1.3"), "1.2", "The oldest TLS that is spoken."),
  HTTP_REDIRECT_PORT: key(
    offOr(integer(0, 65535)),
    "off",
    "A port on which plain HTTP is sent to https; 0 = any free port.",
  ),
});
