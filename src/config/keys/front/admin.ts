import { key, section } from "../../key.ts";
import { host } from "../../../domain/value/networks.ts";
import { integer } from "../../../domain/value/quantities.ts";

export const admin = section("admin", "The listener for health and metrics. Keep it away from clients.", {
  ADMIN_HOST: key(host(), "127.0.0.1", "Address to listen on."),
  ADMIN_PORT: key(integer(0, 65535), "8081", "Port to listen on; 0 = any free port."),
});
