import { writeFileSync } from "node:fs";
import path from "node:path";
import { freePort } from "../machine/free-port.ts";
import { findProgram } from "../machine/program.ts";
import { launch, type Target } from "../target.ts";

export const nginx = findProgram("nginx", ["-v"], "nginx-light");

export const nginxTarget: Target = {
  name: "nginx",
  about: `nginx ${nginx.version}, reverse proxy, keep-alive upstream`,
  missing: nginx.missing,
  async start(bench) {
    const { folder, upstreamPort } = bench;
    const port = await freePort();
    const config = path.join(folder, "nginx.conf");
    const server = `
      listen 127.0.0.1:${port};
      location / { proxy_pass http://upstream; proxy_http_version 1.1; proxy_set_header Connection ""; }`;
    const upstream = `upstream upstream { server 127.0.0.1:${upstreamPort}; keepalive 128; }`;
    writeFileSync(config, nginxConfig("nginx", server, upstream));
    return launch(bench, port, nginxCommand(config));
  },
};

export function nginxCommand(config: string): { program: string; args: string[] } {
  return { program: nginx.path ?? "nginx", args: ["-p", path.dirname(config), "-e", "stderr", "-c", config] };
}

/** One worker, no logs, connections kept for as long as the bench likes, every path in the folder of the configuration. */
export function nginxConfig(name: string, server: string, upstream = ""): string {
  return `
daemon off;
worker_processes 1;
${process.getuid?.() === 0 ? "user root;" : ""}
pid ${name}.pid;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  ${upstream}
  server { ${server} }
}
`;
}
