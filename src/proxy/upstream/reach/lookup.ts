import { lookup as systemLookup, Resolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { hasCode } from "../../../errors.ts";
import type { Found, Lookup } from "./names.ts";

/** For each try at a server; two tries. */
const TRY_MS = 1_500;
/** Who has addresses of one family waits only so long for the other (RFC 8305 section 3). */
const OTHER_FAMILY_MS = 50;
/** For the system's own look-up, which cannot be stopped. */
const SYSTEM_MS = 5_000;
/** What the hosts file or the system says holds for this long: neither tells. */
const UNTOLD_TTL_MS = 5_000;

/** DNS has no such name, or nobody is there who speaks DNS: the system may know other ways. */
const NOT_IN_DNS = ["ENOTFOUND", "ENODATA", "ECONNREFUSED"];

export interface LookupOptions {
  /** Addresses of DNS servers, with a port or without; none = the system's. */
  readonly servers: readonly string[];
  readonly hostsFile?: string;
}

/**
 * Looks names up in the hosts file, then in DNS, and where DNS knows nothing as the system would (its search list, its
 * other sources). DNS is asked over sockets of our own: the system's look-up takes one of four threads that all of the
 * process shares, so that a few slow names would stop every other, and the checking of tokens too. It is used for one name
 * at a time, and not at all when `servers` are given.
 */
export function createLookup({ servers, hostsFile = "/etc/hosts" }: LookupOptions): Lookup {
  const resolver = new Resolver({ timeout: TRY_MS, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  let turn: Promise<unknown> = Promise.resolve();
  const askSystem = (name: string): Promise<Found> => {
    const asked = turn.then(() => systemLookup(name, { all: true, order: "verbatim" }));
    turn = asked.catch(() => undefined);
    return within(SYSTEM_MS, asked).then((found) => untold(found.map(({ address }) => address)));
  };
  return async (name) => {
    const listed = addressesIn(await readFile(hostsFile, "utf8").catch(() => ""), name);
    if (listed.length > 0) return untold(listed);
    try {
      return await askDns(resolver, name);
    } catch (error) {
      if (servers.length > 0 || !NOT_IN_DNS.some((code) => hasCode(error, code))) throw error;
      return await askSystem(name);
    }
  };
}

type Answer = { readonly address: string; readonly ttl: number };

/** Both families at once; the answer is there when one has some and the other has answered, or had its time to. */
function askDns(resolver: Resolver, name: string): Promise<Found> {
  return new Promise((resolve, reject) => {
    const found: { 4: readonly Answer[]; 6: readonly Answer[] } = { 4: [], 6: [] };
    let left = 2;
    let firstError: unknown;
    const finish = (): void => {
      const records = interleaved(found[6], found[4]);
      if (records.length === 0) return reject(firstError);
      const ttl = Math.min(...records.map((record) => record.ttl));
      resolve({ addresses: records.map(({ address }) => address), ttlMs: ttl * 1_000 });
    };
    const take = (family: 4 | 6, records: readonly Answer[]): void => {
      found[family] = records;
      left -= 1;
      if (left === 0) finish();
      else if (records.length > 0) setTimeout(finish, OTHER_FAMILY_MS);
    };
    const fail = (family: 4 | 6, error: unknown): void => {
      // That a name is unknown says less than that nobody could be asked.
      if (firstError === undefined || hasCode(firstError, "ENODATA")) firstError = error;
      take(family, []);
    };
    resolver.resolve4(name, { ttl: true }).then(
      (records) => take(4, records),
      (error: unknown) => fail(4, error),
    );
    resolver.resolve6(name, { ttl: true }).then(
      (records) => take(6, records),
      (error: unknown) => fail(6, error),
    );
  });
}

/** RFC 8305 section 4: the families in turn, so that one that leads nowhere costs one wait. */
function interleaved(first: readonly Answer[], second: readonly Answer[]): Answer[] {
  const longer = Math.max(first.length, second.length);
  return Array.from({ length: longer }, (_, index) => [first[index], second[index]])
    .flat()
    .filter((record) => record !== undefined);
}

/** The addresses that a hosts file gives a name. */
export function addressesIn(hosts: string, name: string): string[] {
  const wanted = name.toLowerCase();
  return hosts.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    return isIP(address) !== 0 && names.some((each) => each.toLowerCase() === wanted) ? [address] : [];
  });
}

function untold(addresses: readonly string[]): Found {
  return { addresses, ttlMs: UNTOLD_TTL_MS };
}

function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = Object.assign(new Error("the name was not found in time"), { code: "ETIMEOUT" });
    const timer = setTimeout(() => reject(late), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
