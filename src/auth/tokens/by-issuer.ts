import type { Principal } from "../../domain/principal.ts";
import type { Verifier, VerifyingState } from "../credentials/token.ts";
import type { SigningKeys } from "../keys/verification-keys.ts";
import type { OidcVerifier } from "../oidc/verify.ts";
import { readToken } from "./form.ts";
import { invalid } from "./refusal.ts";
import type { TokenVerifier } from "./verify.ts";

/** Has each token verified by whoever knows its issuer. Who that is the token says, and has to prove. */
export class TokensByIssuer implements Verifier {
  readonly #own: TokenVerifier | null;
  readonly #others: ReadonlyMap<unknown, OidcVerifier>;

  constructor(options: {
    /** null: tokens of this gateway's own keys are not taken. */
    own: TokenVerifier | null;
    others: readonly OidcVerifier[];
  }) {
    this.#own = options.own;
    this.#others = new Map(options.others.map((each) => [each.issuer, each]));
  }

  verify(token: string, state: VerifyingState): Promise<Principal> {
    const read = readToken(token);
    const other = this.#others.get(read.claims["iss"]);
    if (other !== undefined) return other.verify(token, read, state.roles);
    if (this.#own === null) throw invalid("Wrong issuer");
    return this.#own.verify(token, read, state.signingKeys);
  }

  async signed(token: string, signingKeys: SigningKeys): Promise<boolean> {
    try {
      const { claims } = readToken(token);
      if (this.#others.get(claims["iss"])?.isFor(claims) === true) return true;
    } catch {
      return false; // no token
    }
    return (await this.#own?.signed(token, signingKeys)) ?? false;
  }
}
