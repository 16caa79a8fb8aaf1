import { duration } from "../value/quantities.ts";
import { group, setting } from "./setting.ts";

const span = duration("1ms", "24d");

export const timeouts = group(
  "Timeouts",
  { route: true },
  {
    connectTimeout: setting(span, "time to connect to an instance [PROXY_CONNECT_TIMEOUT]"),
    firstByteTimeout: setting(span, "time an instance has to begin its answer [PROXY_TIMEOUT]"),
    idleTimeout: setting(span, "time in which nothing of an answer may move [PROXY_STREAM_IDLE_TIMEOUT]"),
    queueTimeout: setting(span, "time a call may wait for a slot; never more than the gateway's [QUEUE_TIMEOUT]"),
    totalTimeout: setting(
      span,
      "time for all of a call: queue, every try, the whole answer; not of an upgraded connection [PROXY_TOTAL_TIMEOUT]",
    ),
  },
);
