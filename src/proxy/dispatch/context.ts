import type { MetricLane } from "../../observe/metric-slots.ts";
import type { Balancer } from "../balance/balancer.ts";
import type { InstanceBoard } from "../health/board.ts";
import type { Deadlines } from "../request/deadlines.ts";
import type { UpstreamClient } from "../upstream/upstream.ts";
import type { RetryBudget } from "./retry-budget.ts";

/** What every dispatch of a thread shares. */
export interface DispatchContext {
  readonly client: UpstreamClient;
  readonly balancer: Balancer;
  readonly board: InstanceBoard;
  readonly deadlines: Deadlines;
  readonly lane: MetricLane;
  readonly maxRetries: number;
  /** What may be sent a second time. */
  readonly repeats: RetryBudget;
}

/** Whom a call waits for. */
export type Whom = "pause" | "pool" | "connect" | "instance" | "client body" | "client reading" | "age";
