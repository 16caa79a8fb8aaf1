import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { describeOrigin } from "../../src/config/layers.ts";
import { defaultDataDir, loadConfig, type LoadOptions } from "../../src/config/load.ts";
import type { KeyName } from "../../src/config/schema.ts";
import { GatewayError } from "../../src/errors.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sandboxgw-"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

/** Writes a file of the temporary folder for its owner only. */
function put(name: string, text: string, mode = 0o600): string {
  const path = join(root, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const load = (options: LoadOptions = {}) => loadConfig({ cwd: root, ...options, env: { HOME: root, ...options.env } });

/** The details of the refusal, one problem an entry. */
function problemsOf(options: LoadOptions = {}): string[] {
  try {
    load(options);
  } catch (error) {
    if (error instanceof GatewayError && error.code === "GW_012") return error.details.split("\n");
    throw error;
  }
  throw new Error("was accepted");
}

const secretOf = (letter: string) => `${letter}-of-more-than-two-and-thirty-bytes`;

describe("precedence", () => {
  test("without anything every key has its default", () => {
    const { config, origins, file, warnings } = load();
    expect(config).toMatchObject({ GATEWAY_PORT: 8080, PROXY_TIMEOUT: 30_000, MAX_BODY_SIZE: 10_485_760 });
    expect(config).toMatchObject({ AUTH_ENABLED: true, IP_DENY_LIST: [], TOKEN_SECRET: "" });
    expect(new Set(Object.values(origins).map(describeOrigin))).toEqual(new Set(["default"]));
    expect({ file, warnings }).toEqual({ file: null, warnings: [] });
  });

  test("flags, environment, key file, INI file, default: each gives way to the one before", () => {
    put("sandboxgw.ini", `TOKEN_SECRET = ${secretOf("i")}`);
    put("token", secretOf("k"));
    const steps: [LoadOptions, string, string][] = [
      [{}, secretOf("i"), `${root}/sandboxgw.ini:1`],
      [{ env: { TOKEN_SECRET_FILE: "token" } }, secretOf("k"), `${root}/token`],
      [{ env: { TOKEN_SECRET_FILE: "token", TOKEN_SECRET: secretOf("e") } }, secretOf("e"), "environment TOKEN_SECRET"],
      [{ env: { TOKEN_SECRET: secretOf("e") }, flags: { TOKEN_SECRET: secretOf("f") } }, secretOf("f"), "flag"],
    ];
    for (const [options, value, origin] of steps) {
      const { config, origins } = load(options);
      expect([config.TOKEN_SECRET, describeOrigin(origins.TOKEN_SECRET)]).toEqual([value, origin]);
    }
    rmSync(join(root, "sandboxgw.ini"));
    expect(load().config.TOKEN_SECRET).toBe("");
  });

  test("the prefixed environment variable wins over the bare one", () => {
    const { config, origins } = load({ env: { GATEWAY_PORT: "1", SANDBOXGW_GATEWAY_PORT: "2" } });
    expect(config.GATEWAY_PORT).toBe(2);
    expect(origins.GATEWAY_PORT).toEqual({ layer: "environment", name: "SANDBOXGW_GATEWAY_PORT" });
    expect(load({ env: { GATEWAY_PORT: "1", SANDBOXGW_GATEWAY_PORT: "" } }).config.GATEWAY_PORT).toBe(1);
  });

  test("empty means not set in every layer", () => {
    put("sandboxgw.ini", "LOG_LEVEL =\nGATEWAY_PORT = 9000");
    const { config } = load({ env: { GATEWAY_PORT: "", LOG_LEVEL: "" }, flags: { GATEWAY_PORT: "" } });
    expect(config).toMatchObject({ GATEWAY_PORT: 9000, LOG_LEVEL: "info" });
  });

  test("the last of a duplicate key counts, and that is told", () => {
    put("sandboxgw.ini", "[gateway]\nGATEWAY_PORT = 1\n[proxy]\nGATEWAY_PORT = 2\n[gateway]\nGATEWAY_PORT = 3");
    const { config, origins, warnings } = load();
    expect(config.GATEWAY_PORT).toBe(3);
    expect(describeOrigin(origins.GATEWAY_PORT)).toBe(`${root}/sandboxgw.ini:6`);
    expect(warnings).toHaveLength(2);
  });
});

describe("files", () => {
  test("--config comes before SANDBOXGW_CONFIG, which comes before the usual places", () => {
    put("sandboxgw.ini", "GATEWAY_PORT = 1");
    const named = put("env.ini", "GATEWAY_PORT = 2");
    put("flag.ini", "GATEWAY_PORT = 3");
    const env = { SANDBOXGW_CONFIG: "env.ini" };
    expect(load().config.GATEWAY_PORT).toBe(1);
    expect(load({ env })).toMatchObject({ config: { GATEWAY_PORT: 2 }, file: named });
    expect(load({ env, configFile: "flag.ini" }).config.GATEWAY_PORT).toBe(3);
  });

  test("a named file that does not exist is refused", () => {
    expect(problemsOf({ configFile: "missing.ini" })).toEqual([`${root}/missing.ini: no such file`]);
  });

  test("the sample of the specification loads as it stands, its placeholder told and not used", () => {
    const sample = `## Gateway Configuration
GATEWAY_PORT=8080
AUTH_TOKEN_EXPIRY=3600
MAX_CONCURRENT_REQUESTS=100

## Authentication Configuration
AUTH_ENABLED=true
AUTH_PROVIDER=jwt
TOKEN_SECRET=<secret-key>

## Proxy Configuration
PROXY_TIMEOUT=30
MAX_RETRIES=3
LOAD_BALANCER_STRATEGY=round-robin
`;
    const file = put("sandboxgw.ini", sample, 0o644);
    const { config, origins, warnings } = load();
    expect(config).toMatchObject({
      GATEWAY_PORT: 8080,
      AUTH_TOKEN_EXPIRY: 3_600_000,
      MAX_CONCURRENT_REQUESTS: 100,
      AUTH_ENABLED: true,
      AUTH_PROVIDER: ["jwt"],
      TOKEN_SECRET: "",
      PROXY_TIMEOUT: 30_000,
      MAX_RETRIES: 3,
      LOAD_BALANCER_STRATEGY: "round-robin",
    });
    expect(origins.TOKEN_SECRET.layer).toBe("default");
    expect(warnings).toEqual([`${file}:9: TOKEN_SECRET: a placeholder in angle brackets counts as not set`]);
  });

  test("a file with a byte order mark and Windows line ends loads", () => {
    put("sandboxgw.ini", "\uFEFFGATEWAY_PORT = 9000\r\nLOG_LEVEL = warn\r\n");
    expect(load().config).toMatchObject({ GATEWAY_PORT: 9000, LOG_LEVEL: "warn" });
  });

  test("relative paths start from where they are written", () => {
    const folder = mkdtempSync(join(root, "etc-"));
    const file = join(folder, "gateway.ini");
    writeFileSync(file, "DATA_DIR = state\nSECRETS_KEY_FILE = /keys/master");
    expect(load({ configFile: file }).config).toMatchObject({
      DATA_DIR: join(folder, "state"),
      SECRETS_KEY_FILE: "/keys/master",
    });
    expect(load({ configFile: file, env: { DATA_DIR: "state" } }).config.DATA_DIR).toBe(join(root, "state"));
    expect(load({ configFile: file, flags: { DATA_DIR: "." } }).config.DATA_DIR).toBe(root);
  });

  test("the data folder follows the user: root's is the machine's, others' their state folder", () => {
    expect(defaultDataDir({ XDG_STATE_HOME: "/x" }, 0)).toBe("/var/lib/sandboxgw");
    expect(defaultDataDir({ HOME: "/home/a", XDG_STATE_HOME: "/x" }, 1000)).toBe("/x/sandboxgw");
    expect(defaultDataDir({ HOME: "/home/a", XDG_STATE_HOME: "x" }, 1000)).toBe("/home/a/.local/state/sandboxgw");
    expect(load().config.DATA_DIR).toBe(defaultDataDir({ HOME: root }));
  });
});

describe("refusals", () => {
  test("every problem is named at once, each with its place, key and reason", () => {
    const file = put(
      "sandboxgw.ini",
      "[gateway]\nGATEWAY_PORT = http\nAUDIT_MODE = strikt\nIP_DENY_LIST = ::1;::2\nnonsense",
    );
    const flags = { PROXY_TIMEOUT: "soon" };
    expect(problemsOf({ env: { MAX_RETRIES: "many" }, flags })).toEqual([
      `${file}:2: GATEWAY_PORT: "http" is not a whole number`,
      `${file}:3: AUDIT_MODE: "strikt" is not one of: strict, relaxed (did you mean strict?)`,
      `${file}:4: IP_DENY_LIST: ; starts a comment and cuts the value: put the value in double quotes`,
      `${file}:5: expected KEY = value`,
      'flag: PROXY_TIMEOUT: "soon" is not a duration (seconds, or with a unit as in 250ms 30s 5m 1h 7d)',
      'environment MAX_RETRIES: "many" is not a whole number',
    ]);
  });

  test("a wrong value in the file is refused even where another layer wins", () => {
    put("sandboxgw.ini", "GATEWAY_PORT = http");
    expect(problemsOf({ env: { GATEWAY_PORT: "1" } })).toHaveLength(1);
  });

  test("an unknown key is only told, so that a file for a newer version still starts", () => {
    const file = put("sandboxgw.ini", "GATEWAY_PROT = 9000\nCOLOUR = red");
    expect(load().config.GATEWAY_PORT).toBe(8080);
    expect(load().warnings).toEqual([
      `${file}:1: GATEWAY_PROT: unknown key (did you mean GATEWAY_PORT?)`,
      `${file}:2: COLOUR: unknown key`,
    ]);
  });

  test("a misspelt variable with the gateway's prefix is told, others are not its business", () => {
    const env = { SANDBOXGW_GATEWAY_PROT: "1", GATEWAY_PROT: "1", SANDBOXGW_URL: "http://x", SANDBOXGW_TOKEN: "x" };
    expect(load({ env }).warnings).toEqual([
      "environment: SANDBOXGW_GATEWAY_PROT: unknown key (did you mean SANDBOXGW_GATEWAY_PORT?)",
    ]);
  });
});

describe("secrets", () => {
  test("one line end at the end of a key file is dropped, nothing else", () => {
    const contents = [`${secretOf("k")}\n`, `${secretOf("k")}\r\n`, `  ${secretOf("k")}\n\n`];
    const read = contents.map((text) => {
      put("token", text);
      return load({ env: { TOKEN_SECRET_FILE: "token" } }).config.TOKEN_SECRET;
    });
    expect(read).toEqual([secretOf("k"), secretOf("k"), `  ${secretOf("k")}\n`]);
  });

  test("the INI file may name the key file, relative to itself; the environment's name wins", () => {
    put("sandboxgw.ini", "TOKEN_SECRET_FILE = from-ini");
    put("from-ini", secretOf("i"));
    put("from-env", secretOf("e"));
    expect(
      loadConfig({ cwd: "/", env: { HOME: root }, configFile: join(root, "sandboxgw.ini") }).config.TOKEN_SECRET,
    ).toBe(secretOf("i"));
    expect(load({ env: { SANDBOXGW_TOKEN_SECRET_FILE: "from-env" } }).config.TOKEN_SECRET).toBe(secretOf("e"));
  });

  test("a key file that is missing, empty or too short is refused", () => {
    const env = { TOKEN_SECRET_FILE: "token" };
    const at = "environment TOKEN_SECRET_FILE: TOKEN_SECRET:";
    expect(problemsOf({ env })).toEqual([`${at} ${root}/token cannot be read: ENOENT`]);
    put("token", "\n");
    expect(problemsOf({ env })).toEqual([`${at} ${root}/token is empty`]);
    put("token", "hunter2hunter2");
    expect(problemsOf({ env })).toEqual([`${root}/token: TOKEN_SECRET: has 14 bytes, needs at least 32`]);
  });

  test("only a secret has a key file", () => {
    put("port", "9000");
    expect(load({ env: { GATEWAY_PORT_FILE: "port" } }).config.GATEWAY_PORT).toBe(8080);
  });

  test("a placeholder in the environment counts as not set, and the file below it does", () => {
    put("sandboxgw.ini", `TOKEN_SECRET = ${secretOf("i")}`);
    const { config, warnings } = load({ env: { TOKEN_SECRET: "<secret-key>" } });
    expect(config.TOKEN_SECRET).toBe(secretOf("i"));
    expect(warnings).toEqual(["environment TOKEN_SECRET: a placeholder counts as not set"]);
  });

  test("no message carries a secret, whatever is wrong with it", () => {
    const needle = "hunter2";
    const keys: KeyName[] = ["TOKEN_SECRET"];
    for (const key of keys) {
      put("key", needle);
      const messages = [
        ...problemsOf({ env: { [key]: needle } }),
        ...problemsOf({ flags: { [key]: needle } }),
        ...problemsOf({ env: { [`${key}_FILE`]: "key" } }),
      ];
      for (const line of [
        `${key} = ${needle}`,
        `${key} = ${needle};${needle}`,
        `${key} = "${needle}`,
        `${key}: ${needle}`,
      ]) {
        put("sandboxgw.ini", line);
        messages.push(...problemsOf());
      }
      put(
        "sandboxgw.ini",
        `${key.slice(0, -1)} = ${needle}\n${key} = ${needle}-of-more-than-two-and-thirty-bytes #${needle}`,
        0o644,
      );
      messages.push(...load().warnings);
      expect(messages.length).toBeGreaterThan(9);
      for (const message of messages) expect(message).not.toContain(needle);
    }
  });

  test.skipIf(process.platform === "win32")("a file with a secret that every user may read is told", () => {
    const file = put("sandboxgw.ini", `TOKEN_SECRET = ${secretOf("i")}`, 0o644);
    expect(load().warnings).toEqual([`${file}: holds a secret and every user may read it: chmod 600 ${file}`]);
    put("sandboxgw.ini", "GATEWAY_PORT = 9000", 0o644);
    const key = put("token", secretOf("k"), 0o644);
    expect(load({ env: { TOKEN_SECRET_FILE: "token" } }).warnings).toEqual([
      `${key}: holds a secret and every user may read it: chmod 600 ${key}`,
    ]);
    put("token", secretOf("k"), 0o640);
    expect(load({ env: { TOKEN_SECRET_FILE: "token" } }).warnings).toEqual([]);
  });
});
