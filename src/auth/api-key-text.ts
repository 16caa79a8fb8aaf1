import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";

/** What every opaque key begins with: so people, and those who scan for leaked secrets, know one when they see it. */
const START = "sgw_";
/** Random characters: 238 bits. */
const RANDOM = 40;
/** Of the check sum: a key with a typing mistake is told from one that was never made, without a look-up. */
const CHECK = 6;
const SHOWN = START.length + 6;

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const FORM = new RegExp(`^${START}[0-9A-Za-z]{${RANDOM + CHECK}}$`);

/** A new opaque key: `sgw_`, 40 random characters, 6 of a check sum over them. */
export function newApiKey(): string {
  let random = "";
  while (random.length < RANDOM) {
    // 248 = 4 * 62: the bytes above it would make some characters likelier than others.
    for (const byte of randomBytes(RANDOM)) if (byte < 248 && random.length < RANDOM) random += BASE62[byte % 62];
  }
  return START + random + checkSum(random);
}

/** Whether a text is meant to be such a key. */
export function looksLikeApiKey(text: string): boolean {
  return text.startsWith(START);
}

/** Whether it can be one: its length, its characters and its check sum are right. */
export function isApiKey(text: string): boolean {
  return FORM.test(text) && checkSum(text.slice(START.length, START.length + RANDOM)) === text.slice(-CHECK);
}

/** The beginning by which people tell keys apart; 35 of its bits are as good as public. */
export function apiKeyPrefix(key: string): string {
  return key.slice(0, SHOWN);
}

function checkSum(random: string): string {
  let rest = crc32(random);
  let text = "";
  for (let index = 0; index < CHECK; index++) {
    text = (BASE62[rest % 62] as string) + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}
