import { ProtocolError, type Switch } from "../upstream.ts";

/**
 * Whether a 101 takes up what was offered, and nothing else: one that does not would make of the connection something that
 * nobody has agreed to. `fields`: lower-case name, value, name, value…
 * @throws ProtocolError
 */
export function checkSwitch(fields: readonly string[], offered: Switch | null | undefined): void {
  if (offered === null || offered === undefined) throw new ProtocolError("a 101 nobody asked for");
  const protocols = valuesOf(fields, "upgrade");
  if (protocols.length !== 1 || protocols[0]?.toLowerCase() !== offered.protocol.toLowerCase()) {
    throw new ProtocolError("a 101 to another protocol");
  }
  const named = valuesOf(fields, "connection")
    .join(",")
    .toLowerCase()
    .split(/[\t ]*,[\t ]*/);
  if (!named.includes("upgrade")) throw new ProtocolError("a 101 without Connection: Upgrade");
  if (offered.accept === null) return;
  const accepts = valuesOf(fields, "sec-websocket-accept");
  if (accepts.length !== 1 || accepts[0] !== offered.accept) throw new ProtocolError("a wrong Sec-WebSocket-Accept");
}

function valuesOf(fields: readonly string[], name: string): string[] {
  return fields.filter((_, index) => index % 2 === 1 && fields[index - 1] === name);
}
