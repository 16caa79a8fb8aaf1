import { key, section } from "../key.ts";
import { choice } from "../../domain/value/words.ts";

export const balancer = section("balancer", "How an instance is chosen.", {
  LOAD_BALANCER_STRATEGY: key(choice("round-robin"), "round-robin", "Strategy of sandboxes that name none."),
});
