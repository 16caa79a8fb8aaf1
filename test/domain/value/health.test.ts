import { expect, test } from "vitest";
import { programName, programs, requestPath, statuses } from "../../../src/domain/value/health.ts";

const wrong = expect.objectContaining({ code: "VAL_010" });

test("statuses are ranges and single ones, written back as they are meant", () => {
  const read = statuses().parse(" 200-299,304  401-401 ");
  expect(read).toEqual([
    [200, 299],
    [304, 304],
    [401, 401],
  ]);
  expect(statuses().format(read)).toBe("200-299, 304, 401");
});

test.each(["", "200-", "299-200", "2xx", "100-199", "600", "200..299", "-200", "0200"])(
  "%j names no statuses",
  (text) => {
    expect(() => statuses().parse(text)).toThrow(wrong);
  },
);

test("a path is sent as it is, so it cannot hold what would end the request line", () => {
  expect(requestPath().parse("/up?deep=1&x=%20")).toBe("/up?deep=1&x=%20");
  for (const text of ["", "up", "http://x/", "/a b", "/a\r\nHost: x", "/a#b", "/é", "/\0", `/${"a".repeat(2_000)}`]) {
    expect(() => requestPath().parse(text)).toThrow(wrong);
  }
});

test("a program has a name and a whole path, each name once", () => {
  const read = programs().parse("db=/usr/bin/check-db, ping=/opt/ping=1");
  expect(read).toEqual({ db: "/usr/bin/check-db", ping: "/opt/ping=1" });
  expect(programs().format(read)).toBe("db=/usr/bin/check-db, ping=/opt/ping=1");
  expect(programs().parse("")).toEqual({});
  for (const text of ["db", "db=check", "=/x", "a=/x a=/y", "A=/x", "../x=/y", "__proto__=/x"]) {
    expect(() => programs().parse(text)).toThrow(wrong);
  }
  for (const text of ["", "/bin/sh", "-c", "Db"]) expect(() => programName().parse(text)).toThrow(wrong);
});
