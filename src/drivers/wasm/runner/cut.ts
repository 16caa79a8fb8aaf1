/** The beginning of a text that fits into `maxBytes` of UTF-8, never ending inside a character. */
export function cut(text: string, maxBytes: number): { readonly text: string; readonly truncated: boolean } {
  if (text.length * 3 <= maxBytes) return { text, truncated: false };
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return { text, truncated: false };
  let end = maxBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1; // a continuation byte: its character began before
  return { text: bytes.toString("utf8", 0, end), truncated: true };
}
