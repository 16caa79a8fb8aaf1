import { writeFileSync } from "node:fs";
import path from "node:path";
import { freePort } from "../machine/free-port.ts";
import { findProgram } from "../machine/program.ts";
import { type Bench, launch, type Started, type Target } from "../target.ts";

const haproxy = findProgram("haproxy", ["-v"], "haproxy");

export const haproxyTarget: Target = {
  name: "haproxy",
  about: `HAProxy ${haproxy.version}, reverse proxy`,
  missing: haproxy.missing,
  start: (bench) => start(bench, "haproxy", ""),
};

export const haproxyJwtTarget: Target = {
  name: "haproxy+jwt+stick",
  about: `HAProxy ${haproxy.version}, JWT (HS256) verified, request rate per address in a stick-table`,
  missing: haproxy.missing ?? tooOld(haproxy.version),
  paced: true,
  start: (bench) => start(bench, "haproxy-jwt", jwtAndStickTable(bench.tokenSecret)),
};

function tooOld(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 2 || (major === 2 && minor >= 5) ? undefined : `HAProxy ${version} has no jwt_verify (2.5 has)`;
}

async function start(bench: Bench, name: string, rules: string): Promise<Started> {
  const port = await freePort();
  const config = path.join(bench.folder, `${name}.cfg`);
  const text = `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend bench
  bind 127.0.0.1:${port}
${rules}
  default_backend upstream
backend upstream
  server upstream 127.0.0.1:${bench.upstreamPort}
`;
  writeFileSync(config, text, { mode: 0o600 });
  return launch(bench, port, { program: haproxy.path ?? "haproxy", args: ["-db", "-f", config] });
}

/** What the gateway does for every request, as far as HAProxy has it: a limit that is never reached, a signature, an expiry. */
function jwtAndStickTable(secret: string): string {
  return `
  stick-table type ip size 100k expire 60s store http_req_rate(60s)
  http-request track-sc0 src
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 1000000000 }
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 unless { var(txn.alg) -m str HS256 }
  http-request deny deny_status 401 if { var(txn.exp),sub(txn.now) -m int lt 0 }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"${secret}") -m int 1 }`;
}
