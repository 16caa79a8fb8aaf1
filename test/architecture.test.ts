import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const FILES = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => join("src", file));

/** What a file imports of ours: paths from the root. `types`: also what exists only for the type checker. */
function importsOf(file: string, { types }: { types: boolean }): string[] {
  const source = readFileSync(join(ROOT, file), "utf8");
  const statements = source.matchAll(/^(?:import|export) (type )?[^;]*?from "(\.[^"]+)";|import\("(\.[^"]+)"\)/gms);
  return [...statements]
    .filter(([, typeOnly]) => types || typeOnly === undefined)
    .map(([, , from, lazy]) => relative(ROOT, join(ROOT, dirname(file), (from ?? lazy) as string)));
}

function under(...folders: string[]): string[] {
  return FILES.filter((file) => folders.some((folder) => file.startsWith(`src/${folder}`)));
}

/** Every import of these files that is not allowed, as `file → import`. */
function violations(files: string[], allowed: (imported: string, file: string) => boolean, types = true): string[] {
  return files.flatMap((file) =>
    importsOf(file, { types })
      .filter((imported) => !allowed(imported, file))
      .map((imported) => `${file} → ${imported}`),
  );
}

const plugInOf = (file: string): string =>
  /^src\/(?:runtimes|drivers|proxy\/balance\/strategies)\/([^/.]+)/.exec(file)?.[1] ?? "";
const isIn = (file: string, ...folders: string[]): boolean =>
  folders.some((folder) => file.startsWith(`src/${folder}`));

const SHARED = ["hash-key", "load", "rendezvous", "two", "weights"];
const STRATEGY_FILES = under("proxy/balance/strategies/")
  .map(plugInOf)
  .filter((name) => !SHARED.includes(name));

/** Files outside the store in which a call is written. */
function callersOf(call: RegExp): string[] {
  return FILES.filter((file) => !isIn(file, "store/") && call.test(readFileSync(join(ROOT, file), "utf8")));
}

describe("arrows point down", () => {
  test("domain imports errors only", () => {
    expect(violations(under("domain/"), (imported) => isIn(imported, "domain/", "errors.ts"))).toEqual([]);
  });

  test.each([
    "store/store.ts",
    "store/audit-log.ts",
    "drivers/driver.ts",
    "runtimes/runtime.ts",
    "proxy/balance/strategy.ts",
  ])("the contract %s imports domain only", (contract) => {
    const allowed = ["domain/", "errors.ts", ...(contract === "store/store.ts" ? ["store/audit-log.ts"] : [])];
    expect(violations([`src/${contract}`], (imported) => isIn(imported, ...allowed))).toEqual([]);
  });

  test("implementations of one contract never import each other", () => {
    const plugIns = ["static", "wasm", "generic", ...STRATEGY_FILES];
    const files = under("runtimes/", "drivers/", "proxy/balance/");
    const crossing = violations(files, (imported, file) => {
      const [from, to] = [plugInOf(file), plugInOf(imported)];
      return from === to || !plugIns.includes(from) || !plugIns.includes(to);
    });
    expect(crossing).toEqual([]);
  });

  test("auth, proxy, execution and audit read the snapshot, never the store", () => {
    // Types of the store's contract are shared words; keys and audit links are handed tables by whoever opens the store.
    const files = under("auth/", "proxy/", "execution/", "audit/").filter(
      (file) => file !== "src/auth/keys/key-ring.ts",
    );
    expect(violations(files, (imported) => !isIn(imported, "store/"), false)).toEqual([]);
    expect(violations(under("proxy/", "execution/"), (imported) => !isIn(imported, "store/"))).toEqual([]);
  });

  test("only registry.ts and daemon/ name concrete plug-ins", () => {
    const concrete =
      /^src\/(?:runtimes\/(?!runtime\.ts)|drivers\/(?:static|wasm\/driver)|proxy\/balance\/strategies\/)/;
    const files = FILES.filter(
      (file) => !isIn(file, "registry.ts", "daemon/", "drivers/", "runtimes/", "proxy/balance/"),
    );
    expect(violations(files, (imported) => !concrete.test(imported))).toEqual([]);
  });

  test("the rooms of proxy stand in order: each uses those after it", () => {
    const rooms = ["listener", "routes", "forward", "dispatch", "balance", "health", "upstream", "request"];
    const place = (file: string): number => rooms.indexOf(/^src\/proxy\/([^/]+)\//.exec(file)?.[1] ?? "");
    expect(under("proxy/").filter((file) => place(file) < 0)).toEqual([]);
    const files = under("proxy/");
    expect(violations(files, (imported, file) => !isIn(imported, "proxy/") || place(imported) >= place(file))).toEqual(
      [],
    );
  });

  test("commands know a gateway by its verbs only: neither the store nor where it is", () => {
    const files = under("cli/commands/", "cli/output/");
    expect(violations(files, (imported) => !isIn(imported, "store/", "cli/workspace.ts"))).toEqual([]);
    expect(violations(["src/cli/access.ts"], (imported) => isIn(imported, "control/"))).toEqual([]);
  });

  test("limits know nobody whom they limit", () => {
    expect(violations(under("limits/"), (imported) => !isIn(imported, "auth/", "proxy/", "daemon/"))).toEqual([]);
  });

  test("no two files import each other, directly or in a circle", () => {
    const seen = new Map<string, "open" | "done">();
    const circles: string[] = [];
    const visit = (file: string, path: string[]): void => {
      if (seen.get(file) === "open") circles.push([...path.slice(path.indexOf(file)), file].join(" → "));
      if (seen.has(file)) return;
      seen.set(file, "open");
      for (const imported of importsOf(file, { types: true })) visit(imported, [...path, file]);
      seen.set(file, "done");
    };
    for (const file of FILES) visit(file, []);
    expect(circles).toEqual([]);
  });

  test("cli never reaches into proxy", () => {
    expect(violations(under("cli/"), (imported) => !isIn(imported, "proxy/"))).toEqual([]);
  });

  test("nothing below daemon/ imports daemon/, but the command line that starts it", () => {
    const files = FILES.filter((file) => !isIn(file, "daemon/", "cli/", "executable.ts"));
    expect(violations(files, (imported) => !isIn(imported, "daemon/"))).toEqual([]);
  });
});

test("control alone changes the state; beside it there are the audit chain, the keys, and what the daemon saw", () => {
  const { audit: appending = [], others: writing } = Object.groupBy(callersOf(/\.transaction\(/), (file) =>
    isIn(file, "audit/") ? "audit" : "others",
  );
  expect(writing).toEqual(["src/control/control.ts"]);
  expect(appending).toContain("src/audit/writer.ts");
  // A transaction of audit/ can only be one of the audit log's: it knows of no other store.
  expect(violations(under("audit/"), (imported) => imported !== "src/store/store.ts")).toEqual([]);
  expect(callersOf(/\.createIfAbsent\(/)).toEqual(["src/auth/keys/key-ring.ts"]);
  expect(callersOf(/\bobserved\.put\(/).filter((file) => !isIn(file, "daemon/"))).toEqual([]);
});

test("only config/load.ts reads the environment", () => {
  const readers = FILES.filter((file) => /\bprocess\.env\b/.test(readFileSync(join(ROOT, file), "utf8")));
  expect(readers).toEqual(["src/config/load.ts"]);
});

test("a data thread opens no database and reads no file on the way of a request", () => {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const imported of importsOf(file, { types: false })) visit(imported);
  };
  visit("src/daemon/threads/gateway.ts");
  expect([...reached].filter((file) => isIn(file, "store/", "control/", "cli/"))).toEqual([]);
});

test("no folder has more than twelve files of its own", () => {
  const folders = Map.groupBy(FILES, (file) => dirname(file));
  const crowded = [...folders].filter(([, files]) => files.length > 12).map(([folder]) => folder);
  expect(crowded).toEqual([]);
});

test("no file has grown past 400 lines", () => {
  const long = FILES.filter((file) => readFileSync(join(ROOT, file), "utf8").split("\n").length > 400);
  expect(long).toEqual([]);
});
