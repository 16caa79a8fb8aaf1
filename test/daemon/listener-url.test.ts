import { expect, test } from "vitest";
import { listenerUrl } from "../../src/daemon/listener-url.ts";

test.each([
  ["127.0.0.1", "http://127.0.0.1:8080"],
  ["::1", "http://[::1]:8080"],
  ["::", "http://[::]:8080"],
  ["gateway.local", "http://gateway.local:8080"],
])("%s is printed as %s", (host, url) => {
  expect(listenerUrl(host, 8080)).toBe(url);
  expect(URL.canParse(url)).toBe(true);
});
