// Takes the lock, says so, and keeps it until it is killed.
import { acquireDaemonLock } from "../../src/daemon/lock.ts";

const lock = acquireDaemonLock(process.argv[2] ?? "");
process.stdout.write("held\n");
setInterval(() => lock, 60_000);
