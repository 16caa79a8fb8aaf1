import type { Target } from "./target.ts";
import { caddyTarget } from "./targets/caddy.ts";
import { gatewayOpenTarget, gatewayRelaxedTarget, gatewayTarget } from "./targets/gateway.ts";
import { haproxyJwtTarget, haproxyTarget } from "./targets/haproxy.ts";
import { nginxTarget } from "./targets/nginx.ts";
import { bareTarget, configurableHttpProxyTarget, httpProxyTarget, undiciTarget } from "./targets/node-peers.ts";

/** Every target, in the order of the table. */
export const TARGETS: readonly Target[] = [
  nginxTarget,
  haproxyTarget,
  haproxyJwtTarget,
  caddyTarget,
  httpProxyTarget,
  configurableHttpProxyTarget,
  bareTarget,
  undiciTarget,
  gatewayTarget,
  gatewayRelaxedTarget,
  gatewayOpenTarget,
];
