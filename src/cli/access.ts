import type { Actor } from "../control/control.ts";
import type { Verbs } from "../control/verbs.ts";

/**
 * A gateway as commands use it, wherever it is: they know nothing else of it. `workspace.ts` is the near one, a data folder
 * on this machine; a far one would keep the same promises through the admin API.
 */
export interface Access extends AsyncDisposable {
  /** Where it is, for messages: the data folder. */
  readonly place: string;
  /** True when its state was made just now. */
  readonly isNew: boolean;
  /** Whether a daemon serves it at this moment. */
  readonly isServed: boolean;
  /** Who runs the command. */
  readonly actor: Actor;
  readonly verbs: AnyVerbs;
}

/** The verbs apart from how they are done. */
type AnyVerbs = { readonly [Noun in keyof Verbs]: Pick<Verbs[Noun], keyof Verbs[Noun]> };
