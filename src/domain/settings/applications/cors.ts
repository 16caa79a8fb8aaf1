import { GatewayError } from "../../../errors.ts";
import { fieldNames, methods, origins } from "../../value/cors.ts";
import { duration } from "../../value/quantities.ts";
import { choice, flag } from "../../value/words.ts";
import { group, setting } from "../setting.ts";

export const cors = group(
  "Pages of other origins (CORS)",
  { route: true },
  {
    cors: setting(
      choice("none", "gateway", "passed"),
      "who answers them: nobody in particular, the gateway by the policy below, or the instance, which then gets preflights without a token [none]",
    ),
    corsOrigins: setting(origins(), "whose pages may read answers; needed for --cors gateway"),
    corsMethods: setting(methods(), "what they may send [GET,HEAD,POST,PUT,PATCH,DELETE]"),
    corsHeaders: setting(
      fieldNames(),
      "the fields they may set, beside those in which a token comes [all they ask for]",
    ),
    corsExpose: setting(fieldNames(), "the fields of answers they may read, beside the usual ones [none]"),
    corsCredentials: setting(flag(), "whether their calls carry cookies; not with all origins [false]"),
    corsMaxAge: setting(duration("0", "1d"), "how long browsers keep a preflight's answer [as they like]"),
  },
);

/** What has to do with it, of settings. */
interface CorsSettings {
  readonly cors?: "none" | "gateway" | "passed";
  readonly corsOrigins?: readonly string[];
  readonly corsCredentials?: boolean;
}

/** @throws GatewayError VAL_010 for settings that make no policy, or one that lets everybody act as the user. */
export function checkCors({ cors: who, corsOrigins, corsCredentials }: CorsSettings): void {
  if (who === "gateway" && corsOrigins === undefined) {
    throw new GatewayError("VAL_010", {
      details: "--cors gateway without --cors-origins",
      remediation: "Name the origins whose pages may call: --cors-origins https://app.example",
    });
  }
  if (corsCredentials === true && corsOrigins?.includes("*") === true) {
    throw new GatewayError("VAL_010", {
      details: "--cors-credentials with --cors-origins *: any page could act as whoever opens it",
      remediation: "Name the origins, or leave credentials out",
    });
  }
}
