import { createSocket } from "node:dgram";
import { once } from "node:events";
import { onTestFinished } from "vitest";

/** What a test's DNS server says of a name: "silent" says nothing, "failure" and "unknown" say so. */
export type DnsAnswer =
  | { readonly addresses: readonly string[]; readonly ttl?: number }
  | "silent"
  | "failure"
  | "unknown";

const TYPES: Readonly<Record<number, 4 | 6>> = { 1: 4, 28: 6 };

/** A real DNS server over UDP that answers for A and AAAA as `answer` says; gone when the test is over. */
export async function startDnsServer(answer: (name: string, family: 4 | 6) => DnsAnswer): Promise<{
  /** As PROXY_DNS_SERVERS takes it. */
  readonly server: string;
  /** Every question so far: `A name` or `AAAA name`. */
  readonly asked: string[];
}> {
  const socket = createSocket("udp4");
  const asked: string[] = [];
  socket.on("message", (message, peer) => {
    const { name, end } = nameIn(message, 12);
    const family = TYPES[message.readUInt16BE(end)];
    if (family === undefined) return;
    asked.push(`${family === 4 ? "A" : "AAAA"} ${name}`);
    const said = answer(name, family);
    if (said === "silent") return;
    const question = message.subarray(12, end + 4);
    const records =
      typeof said === "string" ? [] : said.addresses.filter((each) => each.includes(":") === (family === 6));
    const ttl = typeof said === "string" ? 0 : (said.ttl ?? 60);
    const code = said === "failure" ? 2 : said === "unknown" ? 3 : 0;
    const head = Buffer.alloc(12);
    head.writeUInt16BE(message.readUInt16BE(0), 0);
    head.writeUInt16BE(0x8180 | code, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length, 6);
    socket.send(
      Buffer.concat([head, question, ...records.map((each) => recordOf(each, ttl))]),
      peer.port,
      peer.address,
    );
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  onTestFinished(() => void socket.close());
  return { server: `127.0.0.1:${socket.address().port}`, asked };
}

function nameIn(message: Buffer, from: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = from;
  for (let length = message[at] as number; length > 0; length = message[at] as number) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join("."), end: at + 1 };
}

function recordOf(address: string, ttl: number): Buffer {
  const data = address.includes(":") ? wordsOf(address) : Buffer.from(address.split(".").map(Number));
  const record = Buffer.alloc(12);
  record.writeUInt16BE(0xc00c, 0); // the name of the question
  record.writeUInt16BE(address.includes(":") ? 28 : 1, 2);
  record.writeUInt16BE(1, 4);
  record.writeUInt32BE(ttl, 6);
  record.writeUInt16BE(data.length, 10);
  return Buffer.concat([record, data]);
}

function wordsOf(address: string): Buffer {
  const [left = "", right = ""] = address.split("::");
  const [head, tail] = [left, right].map((part) => part.split(":").filter((word) => word !== "")) as [
    string[],
    string[],
  ];
  const words = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => "0"), ...tail];
  return Buffer.from(words.map((word) => word.padStart(4, "0")).join(""), "hex");
}
