import { once } from "node:events";
import type { webcrypto } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { onTestFinished } from "vitest";

export interface IdentityProvider {
  readonly issuer: string;
  readonly jwksUrl: string;
  /** How often each path was asked for. */
  readonly asked: Map<string, number>;
  /** Makes another key and publishes it, unless `hidden`; the tokens of `sign` are its from now on. */
  rotate(algorithm?: string, options?: { hidden?: boolean }): Promise<string>;
  /** `claims` go before its own. */
  sign(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
  /** What is answered instead of the documents, while it is set. */
  answer: ((res: ServerResponse) => void) | undefined;
  readonly keys: JWK[];
}

/** A real identity provider over http on this machine, gone when the test is over. */
export async function startIdentityProvider({ audience = "agents" } = {}): Promise<IdentityProvider> {
  const keys: JWK[] = [];
  const asked = new Map<string, number>();
  let signer = { key: undefined as unknown as webcrypto.CryptoKey, kid: "", alg: "" };
  const server = createServer((req, res) => {
    const path = req.url ?? "";
    asked.set(path, (asked.get(path) ?? 0) + 1);
    if (provider.answer !== undefined) return provider.answer(res);
    const { issuer } = provider;
    return void res.end(JSON.stringify(path === "/jwks" ? { keys } : { issuer, jwks_uri: `${issuer}/jwks` }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider: IdentityProvider = {
    issuer,
    jwksUrl: `${issuer}/jwks`,
    asked,
    keys,
    answer: undefined,
    async rotate(alg = "RS256", { hidden = false } = {}) {
      const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
      signer = { key: privateKey, kid: `key-${alg}-${keys.length}`, alg };
      if (!hidden) keys.push({ ...(await exportJWK(publicKey)), kid: signer.kid, alg, use: "sig" });
      return signer.kid;
    },
    sign(claims = {}, header = {}) {
      const now = Math.floor(Date.now() / 1000);
      const own = {
        iss: issuer,
        aud: audience,
        sub: "user-1",
        role: "executor",
        jti: "jti-1",
        iat: now,
        exp: now + 300,
      };
      const token = new SignJWT({ ...own, ...claims });
      token.setProtectedHeader({ alg: signer.alg, kid: signer.kid, typ: "JWT", ...header });
      return token.sign(signer.key);
    },
  };
  await provider.rotate();
  return provider;
}
