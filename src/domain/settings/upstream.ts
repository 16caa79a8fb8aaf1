import { certificates } from "../value/certificates.ts";
import { host } from "../value/networks.ts";
import { flag } from "../value/words.ts";
import { group, setting } from "./setting.ts";

export const upstream = group(
  "Connections to instances",
  { route: false },
  {
    tlsCa: setting(
      certificates(),
      "authorities that sign the certificates of https:// instances, in PEM [PROXY_TLS_CA_FILE, or the public ones]",
    ),
    tlsServerName: setting(host(), "name their certificates are for, which they are told [the URL's host]"),
    tlsSkipVerify: setting(
      flag(),
      "take any certificate, which is UNSAFE: whoever is on the way reads and changes everything [false]",
    ),
  },
);
