/** Of one answer. */
const MOST = 32;
const MOST_BYTES = 8_192;
/** Of what a client shows with one request: browsers drop the oldest of a whole domain at about 180, servers refuse at 8 to 16 KB. */
const MOST_SHOWN = 60;
const MOST_SHOWN_BYTES = 6_144;

/**
 * Room for the cookies that a sandbox sets where it shares an origin with others, and with the gateway: so many that browsers
 * would forget those of its neighbours, or send more than anybody reads, are not passed on.
 */
export class CookieRoom {
  #count = 0;
  #bytes = 0;
  readonly #names: ReadonlySet<string>;
  #shown: number;
  #shownBytes: number;

  /** `shown`: the client's cookies; undefined when it has none. */
  constructor(shown: string | undefined) {
    const pairs = shown === undefined ? [] : shown.split(";");
    this.#names = new Set(pairs.map(nameOf));
    this.#shown = pairs.length;
    this.#shownBytes = shown?.length ?? 0;
  }

  /** Whether there is room for one more Set-Cookie value. What takes a cookie away, or stands for one that is there, needs little. */
  takes(value: string): boolean {
    this.#count += 1;
    this.#bytes += value.length;
    if (this.#count > MOST || this.#bytes > MOST_BYTES) return false;
    if (removes(value)) return true;
    const [pair = ""] = value.split(";", 1);
    if (this.#names.has(nameOf(pair))) return this.#shownBytes <= MOST_SHOWN_BYTES;
    this.#shown += 1;
    this.#shownBytes += pair.length + 2;
    return this.#shown <= MOST_SHOWN && this.#shownBytes <= MOST_SHOWN_BYTES;
  }
}

/** Of several attributes of a name the last counts, and Max-Age before Expires (RFC 6265 section 5.3). */
function removes(value: string): boolean {
  const attributes = value.toLowerCase().split(";").slice(1).toReversed();
  const last = (name: string) =>
    attributes
      .find((one) => nameOf(one) === name)
      ?.split("=")[1]
      ?.trim();
  const maxAge = last("max-age");
  if (maxAge !== undefined) return /^(?:0+|-\d+)$/.test(maxAge);
  const expires = last("expires");
  return expires !== undefined && Date.parse(expires) <= 0;
}

function nameOf(pair: string): string {
  const at = pair.indexOf("=");
  return (at < 0 ? pair : pair.slice(0, at)).trim();
}
