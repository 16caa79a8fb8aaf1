import type { Target } from "./target.ts";
import { caddyTarget } from "./targets/caddy.ts";
import {
  gatewayAnonymousTarget,
  gatewayBefore,
  gatewayOpenTarget,
  gatewayRelaxedTarget,
  gatewayTarget,
  gatewayUnlimitedTarget,
} from "./targets/gateway.ts";
import { haproxyJwtTarget, haproxyTarget } from "./targets/haproxy.ts";
import { nginxTarget } from "./targets/nginx.ts";
import { bareTarget, configurableHttpProxyTarget, httpProxyTarget, undiciTarget } from "./targets/node-peers.ts";

/**
 * Every target, in the order of the table and of their turns: the gateway comes next after its yardsticks. `against`: another
 * checkout to compare with, or empty.
 */
export function targets(against: string): readonly Target[] {
  return [
    nginxTarget,
    haproxyTarget,
    httpProxyTarget,
    configurableHttpProxyTarget,
    bareTarget,
    undiciTarget,
    caddyTarget,
    haproxyJwtTarget,
    ...(against === "" ? [] : [gatewayBefore(against)]),
    gatewayTarget,
    gatewayRelaxedTarget,
    gatewayUnlimitedTarget,
    gatewayAnonymousTarget,
    gatewayOpenTarget,
  ];
}
