import type { Config } from "./schema.ts";

/** What is wrong with values that are each right by themselves, as a person reads it. */
export function problemsTogether(config: Config): string[] {
  return [...problemsOfCertificates(config), ...problemsOfProviders(config)];
}

/** Whoever asks for certificates must not believe that they are asked for when they are not. */
function problemsOfCertificates(config: Config): string[] {
  const { TLS_CLIENT_AUTH, TLS_CLIENT_CA_FILE, TLS_CLIENT_CRL_FILE, TLS_CLIENT_ROLES, TLS_CERT_FILE } = config;
  if (TLS_CLIENT_AUTH === "off") {
    const named = TLS_CLIENT_CA_FILE !== "" || TLS_CLIENT_CRL_FILE !== "" || TLS_CLIENT_ROLES.length > 0;
    return named ? ["TLS_CLIENT_AUTH: is off, so no client is asked for a certificate"] : [];
  }
  const problems: string[] = [];
  if (TLS_CERT_FILE === "") problems.push("TLS_CLIENT_AUTH: needs TLS_CERT_FILE and TLS_KEY_FILE");
  if (TLS_CLIENT_CA_FILE === "") problems.push("TLS_CLIENT_AUTH: needs TLS_CLIENT_CA_FILE");
  return problems;
}

function problemsOfProviders(config: Config): string[] {
  const { AUTH_PROVIDER, OIDC_ISSUER, OIDC_AUDIENCE, JWKS_URL, TOKEN_ISSUER } = config;
  if (!AUTH_PROVIDER.includes("oidc")) return [];
  const problems: string[] = [];
  if (OIDC_ISSUER.length === 0) problems.push("AUTH_PROVIDER: oidc needs OIDC_ISSUER");
  // Without one a token that was made for somebody else would be good here.
  if (OIDC_AUDIENCE.length === 0) problems.push("AUTH_PROVIDER: oidc needs OIDC_AUDIENCE");
  if (JWKS_URL.length > 0 && JWKS_URL.length !== OIDC_ISSUER.length) {
    problems.push(`JWKS_URL: has ${JWKS_URL.length} addresses for ${OIDC_ISSUER.length} issuers`);
  }
  if (AUTH_PROVIDER.includes("jwt") && OIDC_ISSUER.some(({ issuer }) => issuer === TOKEN_ISSUER)) {
    problems.push("OIDC_ISSUER: TOKEN_ISSUER is the same");
  }
  return problems;
}
