/** The upstream's answer: the size of a small result. */
export const REPLY =
  '{"status":"ok","stdout":"Hello World\\n","stderr":"","exit_code":0,"duration_ms":12,"truncated":false}';
