const PORT = /^[1-9][0-9]{0,4}$/;

/** A port in its one spelling: decimal, without sign or leading zeros. Undefined for anything else. */
export function portFrom(text: string): number | undefined {
  const port = PORT.test(text) ? Number(text) : 0;
  return port > 0 && port <= 65_535 ? port : undefined;
}
