/** Secrets that everybody knows: from the pages and documents people copy them from. Compared without regard to case. */
const WELL_KNOWN: ReadonlySet<string> = new Set([
  // jwt.io
  "a-string-secret-at-least-256-bits-long",
  "a-string-secret-at-least-384-bits-long-which-is-longer",
  "a-string-secret-at-least-512-bits-long-which-is-very-long-indeed",
  "a-valid-string-secret-that-is-at-least-256-bits-long",
  "a-valid-string-secret-that-is-at-least-384-bits-long-which-is-long",
  "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
  "your-256-bit-secret",
  "your-384-bit-secret",
  "your-512-bit-secret",
  // RFC 7515 appendix A.1 (also in RFC 7517 appendix A.3), RFC 7516, RFC 7520 section 3.5
  "aym1sysppbydfgzld3umj1qzkobwvmkoqq-estjqlr_t-1qs0gzh75aktmn3yj0ips4hcguutwjazzr1z9caow",
  "gawggufygrwkav7ax4vkug",
  "hjtxiz2usn5kbqfbttnwbpdmhkv8fjg-onbc6mxccyg",
  // Defaults and examples of servers, frameworks and tutorials
  "super-secret-jwt-token-with-at-least-32-characters-long",
  "your-super-secret-jwt-token-with-at-least-32-characters-long",
  "my-32-character-ultra-secure-and-ultra-long-secret",
  "your-256-bit-secret-key-here-must-be-at-least-32-characters",
  "this-is-a-very-long-secret-key-that-should-be-changed-in-production",
  "404e635266556a586e3272357538782f413f4428472b4b6250645367566b5970",
  "3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b",
  "9a4f2c8d3b7a1e6f45c8a0b3f267d8b1d4e6f3c8a9d2b5f8e3a9c8b5f6v8a3d9",
  "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
  // What comes first into somebody's head
  "abcdefghijklmnopqrstuvwxyz123456",
  "abcdefghijklmnopqrstuvwxyz012345",
  "abcdefghijklmnopqrstuvwxyz0123456789",
  "abcdefghijklmnopqrstuvwxyzabcdef",
  "0123456789abcdefghijklmnopqrstuvwxyz",
  "thisisaverylongsecretkeyforjwttokens",
]);

const LEAST_DIFFERENT = 8;

/** Why a secret can be guessed, as the end of a sentence about it; undefined when nothing tells. Says nothing of what it is. */
export function weaknessOf(secret: string): string | undefined {
  const text = secret.trim();
  if (WELL_KNOWN.has(text.toLowerCase())) return "is a well-known example";
  if (isRepeated(text)) return "is one pattern, repeated";
  if (new Set(text).size < LEAST_DIFFERENT) return `has fewer than ${LEAST_DIFFERENT} different characters`;
  return undefined;
}

/** Whether it is its own beginning again and again, of which there is at least one again. Linear: the borders of Knuth, Morris and Pratt. */
function isRepeated(text: string): boolean {
  const borders = [0];
  for (let at = 1, border = 0; at < text.length; at++) {
    while (border > 0 && text[at] !== text[border]) border = borders[border - 1] as number;
    if (text[at] === text[border]) border += 1;
    borders.push(border);
  }
  const period = text.length - (borders.at(-1) as number);
  return text.length > 0 && period <= text.length / 2;
}
