// Listening sockets that another process has opened for this one: systemd's socket activation (sd_listen_fds(3)).

import { fstatSync, readFileSync, readlinkSync } from "node:fs";
import { GatewayError } from "../../errors.ts";

/** A listening TCP socket, and where it listens. */
export interface GivenSocket {
  readonly fd: number;
  readonly host: string;
  readonly port: number;
}

export interface GivenSockets {
  /** Where clients call; several may share an address. Empty: none was given. */
  readonly clients: readonly GivenSocket[];
  readonly admin: GivenSocket | undefined;
  /** Whoever gave them has them still: what comes when this process does not accept any more waits for the next one. */
  readonly kept: boolean;
}

/** The variables of the protocol. They are meant for one process alone: no child may take them for its own. */
export const LISTEN_VARIABLES = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"] as const;

/** The number of the first one. */
const FIRST_FD = 3;
const MOST = 64;

/**
 * The sockets that systemd hands over, as the variables say; undefined when there are none for this process.
 * @throws GatewayError GW_018 when one is not what it should be.
 */
export function socketsFromSystemd(
  variables: Readonly<Partial<Record<string, string>>>,
  pid: number = process.pid,
): GivenSockets | undefined {
  const { LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES } = variables;
  if (LISTEN_FDS === undefined || LISTEN_PID !== String(pid)) return undefined;
  const count = /^[1-9]\d?$/.test(LISTEN_FDS) ? Number(LISTEN_FDS) : 0;
  if (count < 1 || count > MOST) throw wrong(`LISTEN_FDS is ${JSON.stringify(LISTEN_FDS)}, not a number up to ${MOST}`);
  const names = LISTEN_FDNAMES?.split(":") ?? [];
  if (LISTEN_FDNAMES !== undefined && names.length !== count) {
    throw wrong(`LISTEN_FDNAMES has ${names.length} names for ${count} sockets`);
  }
  return givenSockets(
    Array.from({ length: count }, (_, place) => ({ fd: FIRST_FD + place, name: names[place] ?? "" })),
    true,
  );
}

/**
 * Sockets by what they are for: `admin`, `clients`, or what systemd calls one that was given no name.
 * @throws GatewayError GW_018
 */
export function givenSockets(named: readonly { fd: number; name: string }[], kept: boolean): GivenSockets {
  const clients: GivenSocket[] = [];
  let admin: GivenSocket | undefined;
  for (const { fd, name } of named) {
    if (name !== "admin" && name !== "clients" && name !== "" && name !== "unknown" && !name.endsWith(".socket")) {
      throw wrong(`socket ${fd} is named ${JSON.stringify(name)}: the names are clients and admin`);
    }
    const socket = listeningSocket(fd, name);
    if (name !== "admin") clients.push(socket);
    else if (admin === undefined) admin = socket;
    else throw wrong("two sockets are named admin");
  }
  const [first] = clients;
  const other = clients.find(({ port }) => port !== first?.port);
  if (other !== undefined) {
    throw wrong(`sockets ${first?.fd} and ${other.fd} listen on different ports (${first?.port}, ${other.port})`);
  }
  const same = clients.find(({ host, port }) => port === admin?.port && host === admin.host);
  // Connections would go to the one or the other by chance.
  if (same !== undefined) throw wrong(`sockets ${same.fd} and ${admin?.fd} (admin) listen on the same address`);
  return { clients, admin, kept };
}

function listeningSocket(fd: number, name: string): GivenSocket {
  const called = name === "" ? `descriptor ${fd}` : `descriptor ${fd} (${name})`;
  try {
    if (!fstatSync(fd).isSocket()) throw wrong(`${called} is no socket`);
  } catch (cause) {
    throw cause instanceof GatewayError ? cause : wrong(`${called} is not open`);
  }
  const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  for (const table of ["tcp", "tcp6"]) {
    for (const line of readFileSync(`/proc/self/net/${table}`, "latin1").split("\n")) {
      const [, local = "", , state, , , , , , owner] = line.trim().split(/\s+/);
      if (owner === inode && state === LISTENING) return { fd, ...addressOf(local) };
    }
  }
  throw wrong(`${called} is no TCP socket that listens`);
}

/** TCP_LISTEN, as /proc/net/tcp writes it. */
const LISTENING = "0A";

/** `0100007F:1F90` is 127.0.0.1:8080: words of the address in the machine's order, the port in the network's. */
function addressOf(local: string): { host: string; port: number } {
  const [address = "", port = ""] = local.split(":");
  const words = address.match(/.{8}/g) ?? [];
  const bytes = words
    .flatMap((word) => (word.match(/../g) ?? []).toReversed())
    .map((byte) => Number.parseInt(byte, 16));
  if (bytes.length === 4) return { host: bytes.join("."), port: Number.parseInt(port, 16) };
  const groups = bytes.flatMap((byte, at) => (at % 2 === 0 ? [((byte << 8) | (bytes[at + 1] ?? 0)).toString(16)] : []));
  // The shortest way to write it is the URL parser's.
  return { host: new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1), port: Number.parseInt(port, 16) };
}

function wrong(details: string): GatewayError {
  return new GatewayError("GW_018", { details });
}
