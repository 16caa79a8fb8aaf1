import { describe, expect, test } from "vitest";
import { bearerToken, repeatsToken, shownToken } from "../../../src/auth/credentials/token.ts";

describe("the token a request shows", () => {
  test.each([
    ["the bearer of Authorization", "Bearer a.b", undefined, "a.b"],
    ["X-Sandbox-Token, where there is one", "Bearer a.b", "c.d", "c.d"],
    ["X-Sandbox-Token alone", undefined, "c.d", "c.d"],
    ["X-Sandbox-Token even when it is empty", "Bearer a.b", "", ""],
    ["no token of another scheme", "Basic eA==", undefined, ""],
    ["none", undefined, undefined, undefined],
  ])("is %s", (_what, authorization, sandboxToken, token) => {
    expect(shownToken({ authorization, sandboxToken })).toBe(token);
  });

  test.each(["Bearer a.b", "bearer a.b", "BEARER a.b", "Bearer    a.b"])("is read from %j", (field) => {
    expect(bearerToken(field)).toBe("a.b");
    expect(repeatsToken({ authorization: field, sandboxToken: "a.b" })).toBe(true);
    expect(repeatsToken({ authorization: field, sandboxToken: "a.B" })).toBe(false);
  });
});
