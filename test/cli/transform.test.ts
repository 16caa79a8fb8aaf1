import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { run } from "./run.ts";

const ADD = ["sandbox", "add", "box", "--url", "http://127.0.0.1:9", "--transform"];

test("a sandbox's transformation is read from a file, shown, and taken back", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "app.json");
  writeFileSync(file, '{ "response": { "headers": { "remove": [ "server" ] } } }\n');
  const compact = '{"response":{"headers":{"remove":["server"]}}}';
  expect((await run([...ADD, file], { folder })).code).toBe(0);
  const shown = await run(["sandbox", "show", "box"], { folder });
  expect(shown.stdout).toMatch(/^transform: /m);
  expect(shown.stdout).toContain(compact);
  const json = await run(["sandbox", "show", "box", "-o", "json"], { folder });
  expect(JSON.parse(json.stdout)).toMatchObject({ settings: { transform: compact } });
  expect((await run(["sandbox", "update", "box", "--unset", "transform"], { folder })).code).toBe(0);
  expect((await run(["sandbox", "show", "box"], { folder })).stdout).not.toContain("transform");
});

test("a document that is wrong is refused with its option and its place", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "app.json");
  writeFileSync(file, '{"response": {"header": {}}}');
  const ran = await run([...ADD, file], { folder });
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain("--transform: /response/header: not one of: headers, body (did you mean headers?)");
});

test("a file that cannot be read, or is none, or far too large, is refused before anything is opened", async () => {
  const folder = temporaryFolder();
  const large = join(folder, "large.json");
  writeFileSync(large, " ".repeat(65 * 1024));
  for (const [file, reason] of [
    [join(folder, "none.json"), "cannot be read: ENOENT"],
    [folder, "is no file"],
    [large, "has more than 65536 bytes"],
  ] as const) {
    const ran = await run([...ADD, file], { folder });
    expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining(`--transform: ${file} ${reason}`) });
  }
});

test("a transformation is tried on samples without a gateway, and says before and after", async () => {
  const folder = temporaryFolder();
  const put = (name: string, content: unknown) => {
    writeFileSync(join(folder, name), JSON.stringify(content));
    return join(folder, name);
  };
  const document = put("app.json", {
    request: {
      path: { prefix: "/old", to: "/${principal}" },
      query: { remove: "debug" },
      headers: { set: { "x-user": "${principal}" } },
      body: "$merge([$, {'by': $principal}])",
    },
    response: { headers: { remove: "server" }, body: { expression: "$sum(numbers)", on_error: "fail" } },
  });
  const request = put("request.json", { path: "/old/a?debug=1", headers: { "X-User": "mallory" }, body: { a: 1 } });
  const options = { folder };
  const shown = await run(["transform", "test", document, "--request", request, "--var", "principal=bob"], options);
  expect(shown).toEqual({
    code: 0,
    stderr: "",
    stdout: `request before
  POST /old/a?debug=1
  x-user: mallory
  content-type: application/json
  
  {"a":1}

request after
  POST /bob/a
  content-type: application/json
  x-user: bob
  
  {"a":1,"by":"bob"}

`,
  });
  const piped = ["transform", "test", document, "--response", "-", "-o", "json"];
  const good = await run(piped, { folder, input: '{"headers": {"Server": "x"}, "body": {"numbers": [1, 2]}}' });
  expect(good.code).toBe(0);
  expect(JSON.parse(good.stdout)).toMatchObject({
    response: {
      before: { status: 200, body: { numbers: [1, 2] } },
      after: { headers: [["content-type", "application/json"]], body: 3 },
    },
  });
  const bad = await run(piped, { folder, input: '{"body": {"numbers": ["secret"]}}' });
  expect(bad.code).toBe(8);
  expect(JSON.parse(bad.stdout)).toMatchObject({ response: { after: null, problem: expect.stringContaining("sum") } });
});

test("documents, samples and variables that are wrong are told apart", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "app.json");
  const tried = async (document: string, ...more: string[]) => {
    writeFileSync(file, document);
    const { code, stderr } = await run(["transform", "test", file, ...more], { folder, input: '{"bodi": 1}' });
    return [code, stderr];
  };
  expect((await run(["transform", "test", join(folder, "none")], { folder })).code).toBe(2);
  expect(await tried("{}")).toEqual([0, ""]);
  expect(await tried('{"request": {"body": "$x"}}')).toEqual([
    2,
    expect.stringContaining("/request/body: there is no variable"),
  ]);
  expect(await tried("{}", "--request", "-")).toEqual([2, expect.stringContaining("--request -: /bodi: not one of")]);
  expect(await tried("{}", "--var", "prinicpal=x")).toEqual([2, expect.stringContaining("(did you mean principal?)")]);
  expect(await tried("{}", "--request", "-", "--response", "-")).toEqual([2, expect.stringContaining("only one")]);
});
