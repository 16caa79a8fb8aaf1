import type { LimitChange } from "../../domain/limit.ts";
import { failuresKey } from "./lockout.ts";
import { markName, sandboxName } from "./narrow-limits.ts";
import { type Cells, forget } from "./rate-limit.ts";

/**
 * Forgets in all cells what somebody has used: every thread sees it at once. `roles` and `operations` are the names of
 * those that have limits of their own; `rateKey` is salted as the data threads' is.
 */
export function resetLimits(
  { of, name }: LimitChange,
  options: {
    cells: Cells;
    roles: readonly string[];
    operations: readonly string[];
    rateKey: (name: string) => bigint;
  },
): void {
  const { cells, roles, operations, rateKey } = options;
  const keys = {
    subject: () => {
      const own = rateKey(`subject ${name}`);
      const marks = [
        ...roles.map((role) => markName("role", role)),
        ...operations.map((operation) => markName("operation", operation)),
      ];
      return [own, rateKey(`proxied subject ${name}`), ...marks.map((mark) => own ^ rateKey(mark))];
    },
    address: () => {
      const own = rateKey(`address ${name}`);
      return [own, failuresKey(own)];
    },
    sandbox: () => [rateKey(sandboxName(name))],
  }[of]();
  for (const key of keys) forget(cells, key);
}
