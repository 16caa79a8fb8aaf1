import { key, section } from "../key.ts";
import { path } from "../../domain/value/words.ts";

export const storage = section("storage", "Where state is kept.", {
  DATA_DIR: key(
    path(),
    "",
    "Data folder; empty = /var/lib/sandboxgw for root, else sandboxgw in $XDG_STATE_HOME or ~/.local/state.",
  ),
  SECRETS_KEY_FILE: key(
    path(),
    "",
    "File with the key that encrypts stored secrets; empty = secrets.key of systemd, or in the data folder.",
  ),
});
