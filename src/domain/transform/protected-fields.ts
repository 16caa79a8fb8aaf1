// Which header fields no transformation may touch, and why.

import {
  type Dropped,
  FROM_CLIENT,
  FROM_SANDBOX,
  matcherOf,
  METHOD_OVERRIDES,
  SAYS_WHO_CALLS,
} from "../fields/dropped-fields.ts";

export type Side = "request" | "response";
/** What is done to a field: it gets a value of the document's, it goes, or it gets a client's or sandbox's value under another name. */
export type Act = "set" | "remove" | "rename";

const HANDSHAKE: Dropped = { because: "part of a WebSocket's handshake", names: ["sec-websocket-*"] };
const FRAMING: Dropped = {
  because: "says how the body's bytes are to be read",
  names: ["content-length", "content-encoding", "content-range"],
};
const THE_GATEWAYS: Dropped = {
  because: "the gateway's own word",
  names: ["x-request-id", "x-sandbox-*", "x-forwarded-*", "forwarded", "via", "host"],
};

const PROTECTED: Readonly<Record<Side, readonly Dropped[]>> = {
  request: [
    HANDSHAKE,
    FRAMING,
    ...FROM_CLIENT.filter((group) => group !== SAYS_WHO_CALLS),
    { because: "decides whether a call is sent again", names: ["idempotency-key"] },
    { because: "makes of a call another one than the gateway has seen", names: [...METHOD_OVERRIDES] },
  ],
  response: [HANDSHAKE, FRAMING, THE_GATEWAYS, ...FROM_SANDBOX],
};

/** These may be taken away, but not made. */
const NEVER_MADE: Readonly<Record<Side, readonly Dropped[]>> = {
  request: [],
  response: [
    { because: "a cookie is scoped to its sandbox when it is the sandbox's own", names: ["set-cookie"] },
    { because: "could ask clients for the gateway's credentials", names: ["www-authenticate"] },
  ],
};

/** Why `act` may not be done to a field on its way; undefined when it may. `name`: in lower case. */
export function protection(name: string, side: Side, act: Act): string | undefined {
  const groups = [...PROTECTED[side]];
  if (act !== "remove") groups.push(...NEVER_MADE[side]);
  // The gateway may say who calls; a client whose field is renamed to one of these may not.
  if (side === "request" && act === "rename") groups.push(SAYS_WHO_CALLS);
  return groups.find((group) => matcherOf([group])(name))?.because;
}
