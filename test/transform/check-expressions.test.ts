import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { parseTransformation } from "../../src/domain/transform/transformation.ts";
import { BUILT_IN } from "../../src/transform/built-in.ts";
import { checkExpressions } from "../../src/transform/check-expressions.ts";

const exactly = (said: string | RegExp) => (typeof said === "string" ? new RegExp(`^${escaped(said)}$`) : said);
const escaped = (text: string) => text.replaceAll(/[\\^$*+?.()|[\]{}]/g, "\\$&");
const check = (side: "request" | "response", body: unknown) =>
  checkExpressions(parseTransformation(JSON.stringify({ [side]: { body } })));

test.each([
  "a.b[c > 1].{'d': $sum(e), 'f': $principal}",
  "($x := 1; $f := function($a, $b){ $a + $b + $x }; $map(items, function($v, $i){ $f($v, $i) }))",
  "orders@$o.lines@$l[$l.id = $o.id]#$i.{'i': $i}",
  "$ ~> | items | {'seen': $now()} |",
  "$$.a & $role & $client_address & $request_id & $scheme & $method & $sandbox",
  "$match(a, /(x+x+)+y/)",
])("%s is an expression", async (expression) => {
  await expect(check("request", expression)).resolves.toBeUndefined();
});

test.each([
  ["a +", /^\/request\/body: .*\(character 3\)$/],
  ["$match(a, /[b-a]/)", /^\/request\/body: .*out of order/],
  ["(".repeat(20_000), /^\/request\/body: /],
  ["$eval(a)", "/request/body: $eval is not to be had: data must not become an expression"],
  ["($e := $eval; $e(a))", "/request/body: $eval is not to be had: data must not become an expression"],
  ["a ~> $eval", "/request/body: $eval is not to be had: data must not become an expression"],
  ["$prinicpal", "/request/body: there is no variable or function $prinicpal (did you mean $principal?)"],
  ["$authorization", "/request/body: there is no variable or function $authorization"],
  ["$map(a, $uppercse)", "/request/body: there is no variable or function $uppercse (did you mean $uppercase?)"],
  ["$status", "/request/body: $status is not known before there is an answer"],
])("%.40s is refused", async (expression, details) => {
  await expect(check("request", expression)).rejects.toThrow(
    expect.objectContaining({ code: "VAL_010", details: expect.stringMatching(exactly(details)) }),
  );
});

test("an answer's expression knows the answer, and is named by its own place", async () => {
  await expect(check("response", "$status & $instance")).resolves.toBeUndefined();
  await expect(check("response", { expression: ["a", "+"] })).rejects.toThrow(
    expect.objectContaining({ details: expect.stringMatching(/^\/response\/body\/expression: /) }),
  );
});

test("the functions that are known are those that jsonata has, without $eval", () => {
  const source = readFileSync(createRequire(import.meta.url).resolve("jsonata"), "utf8");
  const bound = [...source.matchAll(/(?:staticFrame|environment)\.bind\('(\w+)'/g)].map(([, name]) => name as string);
  expect([...BUILT_IN, "eval"].toSorted()).toEqual([...new Set(bound)].toSorted());
});
