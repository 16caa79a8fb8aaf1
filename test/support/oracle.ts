import { startRawUpstream } from "./upstream.ts";

/** A request as a parser reads it that forgives nothing. */
export interface StrictRequest {
  readonly method: string;
  readonly target: string;
  /** Names in lower case, in the order received. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** An instance that judges what reaches it: every byte must belong to a request that can be read in one way only. */
export interface Oracle {
  readonly url: string;
  /** Whole requests, in the order they were complete. */
  readonly requests: StrictRequest[];
  /** What two parsers could have read differently, one sentence each. */
  readonly problems: string[];
  /** All bytes that were received, of whole requests and of others. */
  received(): string;
}

const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Oracle: 1\r\n\r\nok";

/** `underscores`: take field names that many servers cannot tell from others. */
export async function startOracle({ underscores = false } = {}): Promise<Oracle> {
  const requests: StrictRequest[] = [];
  const problems: string[] = [];
  const fieldLine = underscores ? ANY_FIELD_LINE : FIELD_LINE;
  let received = "";
  const url = await startRawUpstream((socket) => {
    let rest = "";
    socket.on("data", (chunk) => {
      const text = chunk.toString("latin1");
      received += text;
      rest += text;
      for (let read = readRequest(rest, fieldLine); read !== undefined; read = readRequest(rest, fieldLine)) {
        if (typeof read === "string") {
          problems.push(read);
          rest = "";
          break;
        }
        requests.push(read.request);
        rest = rest.slice(read.length);
        socket.write(ANSWER);
      }
    });
  });
  return { url, requests, problems, received: () => received };
}

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (\/[!-~]*|(?<=^OPTIONS )\*) HTTP\/1\.1$/;
const ANY_FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([\t\x20-\x7e\x80-\xff]*)$/;
const FIELD_LINE = /^([!#$%&'*+\-.^`|~0-9A-Za-z]+): ?([\t\x20-\x7e\x80-\xff]*)$/;

/** The first request of `bytes`; undefined while it is incomplete, a sentence when it is not one. */
function readRequest(
  bytes: string,
  fieldLine: RegExp,
): { request: StrictRequest; length: number } | string | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return /[^\r]\n|\r[^\n]/.test(bytes) ? `bare CR or LF: ${shown(bytes)}` : undefined;
  const [first = "", ...lines] = bytes.slice(0, end).split("\r\n");
  const start = REQUEST_LINE.exec(first);
  if (start === null) return `request line ${shown(first)}`;
  const fields: [string, string][] = [];
  for (const line of lines) {
    const field = fieldLine.exec(line);
    if (field === null) return `field line ${shown(line)}`;
    fields.push([(field[1] as string).toLowerCase(), field[2] as string]);
  }
  const all = (name: string) => fields.filter(([known]) => known === name).map(([, value]) => value);
  if (all("host").length !== 1) return `${all("host").length} Host fields`;
  const body = readBody(bytes, end + 4, all("content-length"), all("transfer-encoding"));
  if (typeof body !== "object") return body;
  const [, method = "", target = ""] = start;
  return { request: { method, target, fields, body: body.text }, length: body.end };
}

type Body = { text: string; end: number } | string | undefined;

function readBody(bytes: string, from: number, lengths: string[], encodings: string[]): Body {
  if (lengths.length + encodings.length > 1) return `framing ${shown(String([...lengths, ...encodings]))}`;
  const [length] = lengths;
  if (length !== undefined) {
    if (!/^[0-9]{1,9}$/.test(length)) return `Content-Length ${shown(length)}`;
    const end = from + Number(length);
    return bytes.length < end ? undefined : { text: bytes.slice(from, end), end };
  }
  const [encoding] = encodings;
  if (encoding === undefined) return { text: "", end: from };
  return encoding === "chunked" ? readChunks(bytes, from) : `Transfer-Encoding ${shown(encoding)}`;
}

function readChunks(bytes: string, from: number): Body {
  let text = "";
  for (let at = from; ; ) {
    const line = bytes.indexOf("\r\n", at);
    if (line < 0) return undefined;
    const size = bytes.slice(at, line);
    if (!/^[0-9A-Fa-f]{1,8}$/.test(size)) return `chunk size ${shown(size)}`;
    const data = line + 2;
    const end = data + Number.parseInt(size, 16);
    if (bytes.length < end + 2) return undefined;
    if (bytes.slice(end, end + 2) !== "\r\n") return `after a chunk: ${shown(bytes.slice(end, end + 20))}`;
    if (end === data) return { text, end: end + 2 };
    text += bytes.slice(data, end);
    at = end + 2;
  }
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
