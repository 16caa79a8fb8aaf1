import { ProtocolError } from "../upstream.ts";

/** Told of a response as it is read. */
export interface ResponseEvents {
  /** The final response's head: lower-case name, value, name, value… */
  onHead(status: number, fields: string[]): void;
  /** The head of a 103 before the final response: what the client could fetch already. */
  onHints(fields: string[]): void;
  /** The final response is a 101 that was asked for. */
  onSwitch(fields: string[]): void;
  /** Valid only during the call: the bytes lie in a buffer that is read into again. */
  onBody(chunk: Buffer): void;
  /** The fields behind a chunked body, if there are any; `onComplete` follows. */
  onTrailers(fields: string[]): void;
  /** The response is complete. `reusable`: the connection may carry another request. */
  onComplete(reusable: boolean): void;
}

/** Informational responses before the answer; endless ones are an attack. */
const MAX_INFORMATIONAL = 10;
const MAX_HEAD = 16 * 1024;
/** Of a chunk's size with its extensions, and of one trailer field. */
const MAX_LINE = 4 * 1024;
const MAX_TRAILERS = 100;

const PROTOCOL = "HTTP/1.";
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const LENGTH = /^\d{1,15}$/;
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,12})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/;
const BARE_CR = /\r(?!\n|$)/;
const BARE_LF = /(?:^|[^\r])\n/;
/** As servers write it in Keep-Alive: never standardised beyond a draft, and common (Node, Apache). */
const KEEPS_FOR = "timeout=";
const CLOSE = /(?:^|,)[\t ]*close[\t ]*(?:,|$)/i;

type State =
  | "head"
  | "length"
  | "until close"
  | "chunk size"
  | "chunk"
  | "chunk end"
  | "trailer"
  | "complete"
  | "switched";

/**
 * Reads one response after the other from the bytes of a connection (RFC 9112). Strict on purpose: an instance is not
 * trusted, and whatever two readers could understand differently is an error, not a guess. Every buffer has a cap.
 */
export class ResponseParser {
  readonly #events: ResponseEvents;
  #state: State = "complete";
  /** The request was HEAD: the answer has no body whatever its fields say. */
  #bodiless = false;
  /** The request offered to go on in another protocol. */
  #offers = false;
  #informational = 0;
  #reusable = false;
  /** How long the instance keeps a connection that is idle, as it last said; ms. */
  keepsAliveMs = Number.POSITIVE_INFINITY;
  /** Bytes of the body, or of the chunk, still to come. */
  #left = 0;
  #trailers: string[] = NO_FIELDS;
  /** The beginning of a head or line whose end has not come yet. */
  #pending = "";

  constructor(events: ResponseEvents) {
    this.#events = events;
  }

  /** Expects the answer to a request that has just been sent. */
  expect(method: string, offers = false): void {
    this.#state = "head";
    this.#bodiless = method === "HEAD";
    this.#offers = offers;
    this.#informational = 0;
    this.#pending = "";
  }

  /**
   * Reads what has come.
   * @throws ProtocolError when it is not, or no longer, a response.
   */
  read(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      switch (this.#state) {
        case "head":
          at = this.#readHead(bytes, at);
          break;
        case "length":
        case "chunk":
          at = this.#readBody(bytes, at);
          break;
        case "switched":
        case "until close":
          this.#events.onBody(bytes.subarray(at));
          return;
        case "chunk size":
        case "chunk end":
        case "trailer":
          at = this.#readLine(bytes, at);
          break;
        case "complete":
          throw new ProtocolError("bytes after the response");
      }
    }
  }

  /** The instance has closed the connection. @throws ProtocolError when that is in the middle of a response. */
  close(): void {
    if (this.#state === "until close") this.#complete(false);
    else if (this.#state !== "complete") throw new ProtocolError("closed in the middle of the response");
  }

  #readHead(bytes: Buffer, at: number): number {
    if (this.#pending !== "") return this.#gatherHead(bytes, at);
    const end = bytes.indexOf("\r\n\r\n", at, "latin1");
    if (end < 0 || end - at > MAX_HEAD) return this.#gatherHead(bytes, at);
    this.#parseHead(bytes.toString("latin1", at, end));
    return end + 4;
  }

  /** The head comes in several reads. Whatever cannot become one is refused at once instead of waited for. */
  #gatherHead(bytes: Buffer, at: number): number {
    const before = this.#pending.length;
    const text = this.#pending + bytes.toString("latin1", at);
    const end = text.indexOf("\r\n\r\n");
    if (end < 0 ? text.length > MAX_HEAD : end > MAX_HEAD) throw new ProtocolError("response head too large");
    const begun = text.slice(0, PROTOCOL.length);
    if (begun !== PROTOCOL.slice(0, begun.length)) throw new ProtocolError("invalid status line");
    if (end < 0) {
      if (BARE_LF.test(text)) throw new ProtocolError("invalid line end");
      this.#pending = text;
      return bytes.length;
    }
    this.#pending = "";
    this.#parseHead(text.slice(0, end));
    return at + end + 4 - before;
  }

  #parseHead(text: string): void {
    const lines = text.split("\r\n");
    const statusLine = STATUS_LINE.exec(lines[0] as string);
    if (statusLine === null) throw new ProtocolError("invalid status line");
    const status = Number(statusLine[2]);
    let persistent = statusLine[1] === "1";
    let length = -1;
    let chunked = false;
    const fields: string[] = [];
    for (let index = 1; index < lines.length; index++) {
      const line = lines[index] as string;
      const colon = line.indexOf(":");
      const name = line.slice(0, colon).toLowerCase();
      const value = valueOf(line, colon + 1);
      if (colon < 0 || !NAME.test(name) || !VALUE.test(value)) throw new ProtocolError("invalid response field");
      if (name === "content-length") {
        if (length >= 0 || !LENGTH.test(value)) throw new ProtocolError("invalid Content-Length");
        length = Number(value);
      } else if (name === "transfer-encoding") {
        // What it was coded with besides, the client would never learn.
        if (chunked || value.toLowerCase() !== "chunked") throw new ProtocolError("invalid Transfer-Encoding");
        chunked = true;
      } else if (name === "connection" && CLOSE.test(value)) {
        persistent = false;
      } else if (name === "keep-alive" && value.startsWith(KEEPS_FOR)) {
        const seconds = Number.parseInt(value.slice(KEEPS_FOR.length), 10);
        if (seconds >= 0) this.keepsAliveMs = seconds * 1_000;
      }
      fields.push(name, value);
    }
    if (chunked && (length >= 0 || statusLine[1] === "0")) throw new ProtocolError("ambiguous response length");
    if (status === 101 && this.#offers) {
      if (length >= 0 || chunked) throw new ProtocolError("a 101 with a body");
      this.#state = "switched";
      return this.#events.onSwitch(fields);
    }
    if (status < 200) return this.#takeInformational(status, fields);
    this.#reusable = persistent;
    // RFC 9110 section 8.6: 204 has no length; some clients would wait for the bytes.
    this.#events.onHead(status, status === 204 ? without(fields, "content-length") : fields);
    this.#beginBody(status, length, chunked);
  }

  #takeInformational(status: number, fields: string[]): void {
    if (status === 101) throw new ProtocolError("a 101 nobody asked for");
    if (++this.#informational > MAX_INFORMATIONAL) throw new ProtocolError("too many informational responses");
    if (status === 103) this.#events.onHints(fields);
  }

  /** RFC 9112 section 6.3: how long the body is. */
  #beginBody(status: number, length: number, chunked: boolean): void {
    if (this.#bodiless || status === 204 || status === 304) return this.#complete(this.#reusable);
    if (chunked) {
      this.#state = "chunk size";
      this.#trailers = NO_FIELDS;
    } else if (length > 0) {
      this.#state = "length";
      this.#left = length;
    } else if (length === 0) {
      this.#complete(this.#reusable);
    } else {
      this.#state = "until close";
    }
  }

  #readBody(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    this.#events.onBody(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
    if (this.#left === 0) {
      if (this.#state === "length") this.#complete(this.#reusable);
      else this.#state = "chunk end";
    }
    return end;
  }

  #readLine(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(LF, at);
    const line = this.#pending + bytes.toString("latin1", at, end < 0 ? bytes.length : end + 1);
    if (line.length > MAX_LINE) throw new ProtocolError("line too long");
    if (BARE_CR.test(line)) throw new ProtocolError("invalid line end");
    if (end < 0) {
      this.#pending = line;
      return bytes.length;
    }
    this.#pending = "";
    if (!line.endsWith("\r\n")) throw new ProtocolError("invalid line end");
    this.#takeLine(line.slice(0, -2));
    return end + 1;
  }

  #takeLine(line: string): void {
    if (this.#state === "chunk size") {
      const size = CHUNK_SIZE.exec(line)?.[1];
      if (size === undefined) throw new ProtocolError("invalid chunk size");
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? "trailer" : "chunk";
    } else if (this.#state === "chunk end") {
      if (line !== "") throw new ProtocolError("invalid chunk end");
      this.#state = "chunk size";
    } else if (line === "") {
      if (this.#trailers.length > 0) this.#events.onTrailers(this.#trailers);
      this.#complete(this.#reusable);
    } else {
      this.#takeTrailer(line);
    }
  }

  #takeTrailer(line: string): void {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = valueOf(line, colon + 1);
    const isField = colon >= 0 && NAME.test(name) && VALUE.test(value);
    if (!isField || this.#trailers.length >= 2 * MAX_TRAILERS) throw new ProtocolError("invalid trailer");
    if (this.#trailers === NO_FIELDS) this.#trailers = [];
    this.#trailers.push(name, value);
  }

  #complete(reusable: boolean): void {
    this.#state = "complete";
    this.#events.onComplete(reusable);
  }
}

const NO_FIELDS: string[] = [];
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;

/** The rest of a line without the white space around it: spaces and tabs only, not all that `trim` takes for white. */
function valueOf(line: string, from: number): string {
  let start = from;
  let end = line.length;
  while (start < end && isWhite(line.charCodeAt(start))) start++;
  while (end > start && isWhite(line.charCodeAt(end - 1))) end--;
  return line.slice(start, end);
}

function isWhite(code: number): boolean {
  return code === SPACE || code === TAB;
}

function without(fields: readonly string[], name: string): string[] {
  const kept: string[] = [];
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] !== name) kept.push(fields[index] as string, fields[index + 1] as string);
  }
  return kept;
}
