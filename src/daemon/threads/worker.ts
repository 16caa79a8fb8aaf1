// Entry point of a data thread: wires a Gateway to the link with the control thread.

import { parentPort } from "node:worker_threads";
import type { Config } from "../../config/schema.ts";
import { asGatewayError } from "../../errors.ts";
import { threadData } from "../../executable.ts";
import { warmUp } from "../../execution/warm-up.ts";
import { Errands } from "./errands.ts";
import { Gateway } from "./gateway.ts";
import { startHeartbeat } from "./heartbeat.ts";
import type { FromThread, ThreadStart, ToThread } from "./link.ts";
import type { ListeningPlace } from "./listeners.ts";
import { attachSharedMemory } from "../shared-memory/layout.ts";

const port = parentPort;
if (port === null) throw new Error("this file is the entry point of a thread");
const send = (message: FromThread): void => port.postMessage(message);

const start = threadData<ThreadStart>();
const memory = attachSharedMemory(start.memory, start.threads);
const errands = new Errands({ send: (id, errand) => send({ kind: "errand", id, errand }) });
const gateway = new Gateway({
  config: start.config,
  memory,
  thread: start.thread,
  snapshot: start.snapshot,
  keys: start.keys,
  salt: start.salt,
  socketFolder: start.socketFolder,
  sendAudit: (batch) => send({ kind: "audit", batch }),
  sessions: errands,
  keySource: errands,
  sendUses: (uses) => send({ kind: "used", uses }),
  onInternalError: ({ cause }, requestId) => {
    const fields = {
      request_id: requestId,
      error: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
    };
    send({ kind: "log", level: "error", message: "internal error in a request", fields });
  },
});

port.on("message", (message: ToThread) => {
  switch (message.kind) {
    case "serve":
      return serve(message.place);
    case "audited":
      return gateway.acknowledge(message.last, message.written);
    case "done":
      return errands.done(message.errand, message.outcome);
    case "changes":
      return gateway.apply(message.changes);
    case "snapshot":
      return gateway.replace(message.snapshot);
    case "forget":
      if (!gateway.forgetExpired(message.expiredBy, message.left)) send({ kind: "astray" });
      return;
    case "config":
      return configure(message.config);
    case "revert":
      return gateway.revert();
    case "drain":
      void gateway.drain(message.order).then(() => send({ kind: "drained" }));
  }
});

const pulse = memory.pulses[start.thread];
if (pulse !== undefined) startHeartbeat(pulse.beat);
send({ kind: "ready" });

function configure(config: Config): void {
  try {
    gateway.reconfigure(config);
    send({ kind: "configured", problem: null });
  } catch (error) {
    const problem = asGatewayError(error);
    send({ kind: "configured", problem: problem.details ?? problem.message });
  }
}

function serve(place: ListeningPlace): void {
  gateway.listen(place).then(
    (bound) => {
      send({ kind: "listening", port: bound, fds: gateway.listeningFds });
      void warmUp();
    },
    (error: unknown) => send({ kind: "failed", message: error instanceof Error ? error.message : String(error) }),
  );
}
