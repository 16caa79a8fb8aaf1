/** What an instance has done that let its time pass. `endBy`: when the whole answer had to be there, `performance.now()`. */
export function silence(answered: boolean, endBy: number): string {
  if (!answered) return "No answer before the deadline";
  return performance.now() < endBy ? "The answer stopped in the middle" : "The answer did not end in time";
}
