import type { Instance } from "../../../domain/sandbox.ts";
import { bestOf, hashOf } from "./rendezvous.ts";
import type { Situation, Strategy } from "../strategy.ts";

/** The same client address to the same instance, for as long as that one can be used. */
export class IpHash implements Strategy {
  pick(candidates: readonly Instance[], { request }: Situation): Instance {
    return bestOf(candidates, hashOf(request.address));
  }
}
