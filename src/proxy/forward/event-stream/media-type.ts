const EVENT_STREAM = /^text\/event-stream[ \t]*(?:;|$)/i;

/** Whether an answer goes on event by event. `raw`: its fields: lower-case name, value, name, value… */
export function isEventStream(raw: readonly string[]): boolean {
  for (let index = 0; index < raw.length; index += 2) {
    if (raw[index] === "content-type") return EVENT_STREAM.test(raw[index + 1] as string);
  }
  return false;
}
