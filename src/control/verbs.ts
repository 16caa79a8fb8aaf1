import type { HeadPlace } from "../audit/kept-head.ts";
import type { KeyRing } from "../auth/keys/key-ring.ts";
import type { Config } from "../config/schema.ts";
import { targetPolicy } from "../domain/target-policy.ts";
import type { AuditLog } from "../store/audit-log.ts";
import type { StateStore } from "../store/store.ts";
import { Control } from "./control.ts";
import { AuditVerbs } from "./verbs/audit.ts";
import { CircuitVerbs } from "./verbs/circuits.ts";
import { InstanceVerbs } from "./verbs/instances.ts";
import { KeyVerbs } from "./verbs/keys.ts";
import { LimitVerbs } from "./verbs/limits/limits.ts";
import { LinkVerbs } from "./verbs/links.ts";
import { RevocationVerbs } from "./verbs/revocations.ts";
import { RoleVerbs } from "./verbs/roles.ts";
import { RouteVerbs } from "./verbs/routes.ts";
import { type Catalogue, SandboxVerbs } from "./verbs/sandboxes.ts";
import { SessionVerbs } from "./verbs/sessions.ts";
import { type RunningDaemon, StatusVerbs } from "./verbs/status.ts";
import { TokenVerbs } from "./verbs/tokens.ts";

export interface VerbsOptions {
  readonly store: StateStore;
  readonly audit: AuditLog;
  /** Where the audit chain's head is kept beside it. */
  readonly auditHead: HeadPlace;
  /** Asked for when first needed: most reading needs no key. */
  readonly keys: () => Promise<KeyRing>;
  readonly config: Pick<
    Config,
    | "TOKEN_ISSUER"
    | "TOKEN_AUDIENCE"
    | "TOKEN_CLOCK_SKEW"
    | "AUTH_TOKEN_EXPIRY"
    | "API_KEY_EXPIRY"
    | "SESSION_IDLE_TIMEOUT"
    | "SESSION_MAX_AGE"
    | "SESSION_MAX_PER_SUBJECT"
    | "AUDIT_SINK_FILE"
    | "TARGET_ALLOW"
    | "TARGET_DENY"
    | "GATEWAY_DOMAIN"
    | "HEALTH_PROGRAMS"
  >;
  /** Asked for when something is added: knowing all plug-ins takes longer than the other verbs do. */
  readonly catalogue: () => Promise<Catalogue>;
  /** The daemon that serves this state; undefined when none does. */
  readonly daemon: () => RunningDaemon | undefined;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/**
 * All that can be done to a gateway, a file of verbs a noun, reading included: what the command line does, and whoever
 * calls from afar. Every verb is told who acts. Values are checked here, whoever calls: VAL_010 for one that cannot be
 * taken. A verb that writes returns the revision it announced beside its result: when the data threads serve that one,
 * what it did is in force. 0 means that the data threads need not know.
 */
export interface Verbs {
  readonly tokens: VerbsOf<TokenVerbs>;
  readonly links: VerbsOf<LinkVerbs>;
  readonly sessions: VerbsOf<SessionVerbs>;
  readonly roles: VerbsOf<RoleVerbs>;
  readonly revocations: VerbsOf<RevocationVerbs>;
  readonly keys: VerbsOf<KeyVerbs>;
  readonly sandboxes: VerbsOf<SandboxVerbs>;
  readonly instances: VerbsOf<InstanceVerbs>;
  readonly routes: VerbsOf<RouteVerbs>;
  readonly circuits: VerbsOf<CircuitVerbs>;
  readonly limits: VerbsOf<LimitVerbs>;
  readonly audit: VerbsOf<AuditVerbs>;
  readonly status: VerbsOf<StatusVerbs>;
}

/** Without what a class keeps to itself, so that whoever has them done elsewhere can offer the same. */
type VerbsOf<Noun> = { readonly [Verb in keyof Noun]: Noun[Verb] };

export function createVerbs({
  store,
  audit,
  auditHead,
  keys,
  config,
  catalogue,
  daemon,
  now = Date.now,
}: VerbsOptions): Verbs {
  const control = new Control({ store, keys, now });
  const targets = targetPolicy(config.TARGET_ALLOW, config.TARGET_DENY);
  return {
    tokens: new TokenVerbs({ control, store, keys, config, now }),
    links: new LinkVerbs({ control, store, keys, now }),
    sessions: new SessionVerbs({ control, store, limits: () => config, now }),
    roles: new RoleVerbs({ control, store, now }),
    revocations: new RevocationVerbs({ control }),
    keys: new KeyVerbs({ control, store, keys, now }),
    sandboxes: new SandboxVerbs({ control, store, catalogue, targets, programs: config.HEALTH_PROGRAMS }),
    instances: new InstanceVerbs({ control, store, catalogue, targets }),
    routes: new RouteVerbs({ control, store, gatewayDomain: config.GATEWAY_DOMAIN }),
    circuits: new CircuitVerbs({ control, store, daemon }),
    limits: new LimitVerbs({ control }),
    audit: new AuditVerbs({ control, store, audit, keys, headPlace: auditHead, sinkFile: config.AUDIT_SINK_FILE }),
    status: new StatusVerbs({ store, audit, daemon }),
  };
}
