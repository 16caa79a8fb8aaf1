import { expect, test } from "vitest";
import { readings } from "../../../../src/proxy/routes/custom/readings.ts";

test.each(["/", "/a", "/a/b.c/", "/a/x~y", "/.well/known".replace("/.", "/")])("%s has one reading", (path) => {
  expect([...readings(path)]).toEqual([]);
});

test.each([
  ["/a%2Fb", "/a/b"],
  ["/a%5cb", "/a/b"],
  ["/%61", "/a"],
  ["/%2561", "/a"],
  ["/%252e%252e/a", "/a"],
  ["/a%00b", "/a"],
  ["/a%00/b", "/a"],
  ["/a;x=1/b", "/a/b"],
  ["/a%3bx/b", "/a/b"],
  ["//a", "/a"],
  ["/x//a", "/x/a"],
  ["/x/../a", "/a"],
  ["/x/./a", "/x/a"],
  ["/x/..;/a", "/a"],
  ["/x/%2e%2e%2fa", "/a"],
  ["/x/..%5ca", "/a"],
  ["/x/%2e%2e;%2fx/a", "/a"],
  ["/x/%252e%252e;%252fx/a", "/a"],
  ["/x/..%09/a", "/a"],
  ["/x/.%0a.;b/a", "/a"],
  ["/x/..", "/"],
  ["/..", "/"],
])("%s can be read as %s", (path, reading) => {
  expect([...readings(path)]).toContain(reading);
});
