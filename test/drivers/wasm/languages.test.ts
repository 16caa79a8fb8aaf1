import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EmbeddedSandbox } from "./embedded-sandbox.ts";

const sandbox = new EmbeddedSandbox();
beforeAll(() => sandbox.start());
afterAll(() => sandbox.close());

const lines = (...text: string[]) => text.join("\n");

describe.concurrent("python", () => {
  test("prints", async () => {
    expect(await sandbox.python("print('Hello World')")).toEqual({
      status: "ok",
      stdout: "Hello World\n",
      stderr: "",
      exit_code: 0,
      signal: null,
      error: null,
      truncated: false,
      results: [],
      duration_ms: expect.any(Number),
    });
  });

  test("is the program it was given, byte for byte, under its own name", async () => {
    const code = lines(
      "from __future__ import annotations",
      "import sys",
      "text = '''one",
      "two",
      "  three'''",
      "class Mine: pass",
      "import pickle",
      "pickle.loads(pickle.dumps(Mine()))",
      "print(repr(text), __name__, sys.argv, [name for name in dir() if not name.startswith('__')])",
    );
    const names = "['Mine', 'annotations', 'pickle', 'sys', 'text']";
    const { stdout, stderr } = await sandbox.python(code);
    expect(stderr).toBe("");
    expect(stdout).toBe(`'one\\ntwo\\n  three' __main__ ['/home/user/main.py'] ${names}\n`);
  });

  test("prints no line feed that it was not told to", async () => {
    const { stdout, stderr } = await sandbox.python("import sys; print('a\\nb', end=''); sys.stderr.write('c')");
    expect([stdout, stderr]).toEqual(["a\nb", "c"]);
  });

  test("reads its input, its environment and its files, and imports from them", async () => {
    const code =
      "import os, mine\nprint(input(), repr(open('d/text').read()), os.environ['NAME'], mine.VALUE, os.getcwd())";
    const { stdout, stderr } = await sandbox.python(code, {
      stdin: "größe €\nsecond\n",
      env: { NAME: "\"'$x\n" },
      cwd: "/home/here",
      files: { "d/text": "höhe\n", "/home/here/mine.py": "VALUE = 7" },
    });
    expect(stderr).toBe("");
    expect(stdout).toBe("größe € 'höhe\\n' \"'$x\n 7 /home/here\n");
  });

  test("an uncaught error has the program's own lines in its traceback", async () => {
    const code = lines(
      "def f():",
      "  return 1 / 0",
      "try: f()",
      "except Exception as e: raise ValueError('schön') from e",
    );
    const { status, exit_code, error, stderr } = await sandbox.python(code);
    expect([status, exit_code]).toEqual(["error", 1]);
    expect(error).toMatchObject({ name: "ValueError", value: "schön" });
    expect(error?.traceback).toEqual(stderr.trimEnd().split("\n"));
    const frames = error?.traceback.filter((line) => line.startsWith("  File"));
    expect(frames).toEqual([
      '  File "/home/user/main.py", line 3, in <module>',
      '  File "/home/user/main.py", line 2, in f',
      '  File "/home/user/main.py", line 4, in <module>',
    ]);
  });

  test("a program that cannot be parsed says where", async () => {
    const { status, error } = await sandbox.python("x = 1\ny = = 2");
    expect(status).toBe("error");
    expect(error).toMatchObject({ name: "SyntaxError" });
    expect(error?.traceback[0]).toBe('  File "/home/user/main.py", line 2');
  });

  test("leaves with the code it chose", async () => {
    expect(await sandbox.python("import sys; sys.exit(3)")).toMatchObject({
      status: "error",
      exit_code: 3,
      stderr: "",
      error: { name: "ExitCode", value: "the program ended with exit code 3 and said nothing" },
    });
    expect(await sandbox.python("import sys; sys.exit('no')")).toMatchObject({ exit_code: 1, stderr: "no\n" });
  });

  test("runs coroutines, and tells what an event loop cannot do here", async () => {
    const code = lines(
      "import asyncio, socket",
      "async def after(ms): await asyncio.sleep(ms / 1000); return ms",
      "async def main(): return await asyncio.gather(after(20), asyncio.wait_for(after(10), 5))",
      "print(asyncio.run(main()))",
      "async def connect(): await asyncio.open_connection('localhost', 80)",
      "for attempt in (socket.socketpair, lambda: asyncio.run(connect())):",
      "  try: attempt()",
      "  except (OSError, RuntimeError, NotImplementedError) as e: print('refused')",
    );
    expect(await sandbox.python(code)).toMatchObject({ status: "ok", stdout: "[20, 10]\nrefused\nrefused\n" });
  });

  test("gives the value of its last line when that is an expression with one", async () => {
    const code = lines("from __future__ import annotations", "def f() -> Later: return {'a': 'é'}", "f()");
    expect(await sandbox.python(code)).toMatchObject({ stdout: "", results: [{ "text/plain": "{'a': 'é'}" }] });
    expect(await sandbox.python("1\nprint('a')")).toMatchObject({ stdout: "a\n", results: [] });
    expect(await sandbox.python("1 / 0")).toMatchObject({
      results: [],
      error: { name: "ZeroDivisionError", traceback: expect.arrayContaining(["    1 / 0"]) },
    });
  });
});

describe.concurrent("javascript", () => {
  test("prints", async () => {
    expect(await sandbox.javascript("console.log('Hello World')")).toMatchObject({
      status: "ok",
      stdout: "Hello World\n",
    });
  });

  test("may be a module, or wait at top level", async () => {
    const module = "import fs from 'fs';\nconsole.log(fs.readFileSync('a.txt', 'utf8'))";
    expect((await sandbox.javascript(module, { files: { "a.txt": "grün" } })).stdout).toBe("grün\n");
    expect((await sandbox.javascript("console.log(await Promise.resolve(5))")).stdout).toBe("5\n");
  });

  test.each([
    ["in a function", "\nfunction f() { throw new TypeError('no') }\nf()", "TypeError", "no", "main.js:2:"],
    ["at top level", "throw new RangeError('')", "RangeError", "", "main.js:1:"],
    ["of a class of its own", "class Mine extends Error {}\nthrow new Mine('m')", "Mine", "m", "main.js:1:"],
    ["of the engine", "null.x", "TypeError", "cannot read property 'x' of null", "main.js:1:"],
    ["before it began", "let = = 3", "SyntaxError", "unexpected token in expression: '='", "main.js:1:"],
    ["in a module", "import fs from 'fs'\nthrow new Error('e')", "Error", "e", "main.mjs:2:"],
    ["in a promise", "await Promise.reject(new RangeError('r'))", "RangeError", "r", "main.js:1:"],
  ])("an uncaught error %s is told with its name and place", async (_, code, name, value, place) => {
    const { status, exit_code, stderr, error } = await sandbox.javascript(code);
    expect([status, exit_code, error?.name, error?.value]).toEqual(["error", 1, name, value]);
    expect(error?.traceback[0]).toContain(place);
    expect(stderr).toContain(value);
  });

  test("an error that was caught is not taken for the end, and looks as it always does", async () => {
    const code = "const e = new TypeError('t'); console.log(JSON.stringify({ e }), JSON.stringify(e)); process.exit(3)";
    expect(await sandbox.javascript(code)).toMatchObject({
      stdout: '{"e":{}} {}\n',
      exit_code: 3,
      error: { name: "ExitCode" },
    });
  });

  test("may have types", async () => {
    const code = "const n: number = 5;\nconsole.log(n as unknown)";
    expect(await sandbox.run({ language: "typescript", code })).toMatchObject({ status: "ok", stdout: "5\n" });
  });
});

describe.concurrent("bash", () => {
  test("prints", async () => {
    expect(await sandbox.bash("echo Hello World")).toMatchObject({ status: "ok", stdout: "Hello World\n" });
  });

  test("is given as it is, here-documents and all", async () => {
    const script = lines("cat <<END | tr a-z A-Z", "  $NAME", "END", "read line; echo $line; cat; exit 4");
    const outcome = await sandbox.bash(script, { stdin: "first\ngröße\n", env: { NAME: "name" } });
    expect(outcome).toMatchObject({ status: "error", exit_code: 4, stdout: "  NAME\nfirst\ngröße\n" });
  });

  test("starts the other languages", async () => {
    const { stdout } = await sandbox.bash("python3 -c 'print(1 + 1)'; js-exec -c 'console.log(2 + 2)'");
    expect(stdout).toBe("2\n4\n");
  });

  test("run_command is a line of bash", async () => {
    const reply = await sandbox.call(
      JSON.stringify({ operation: "run_command", payload: { command: "pwd; echo é >&2" } }),
    );
    expect(reply).toMatchObject({ status: 200, body: { status: "ok", stdout: "/home/user\n", stderr: "é\n" } });
  });
});

describe.concurrent("the protocol", () => {
  test("health", async () => {
    expect(await sandbox.call("", { method: "GET", url: "/health" })).toMatchObject({
      status: 200,
      body: { status: "ok" },
    });
  });

  test.each([
    ["bad JSON", "{", {}, 400, "bad_json"],
    ["another shape", '{"operation":1}', {}, 400, "bad_request"],
    ["another language", '{"operation":"run_code","payload":{"language":"cobol","code":""}}', {}, 422, "unsupported"],
    ["too large a body", JSON.stringify({ operation: "x".repeat(1_100_000) }), {}, 413, "too_large"],
    [
      "a proxied call",
      '{"operation":"run_command","payload":{"command":"ls"}}',
      { execution: false },
      403,
      "not_an_execution",
    ],
    ["another page", "", { method: "GET", url: "/other" }, 404, "not_found"],
    ["another method", "", { method: "PUT" }, 404, "not_found"],
  ])("%s is refused", async (_what, body, options, status, code) => {
    expect(await sandbox.call(body, options)).toMatchObject({
      status,
      body: { error: { code, message: expect.any(String) } },
    });
  });

  test("files that cannot exist together are an error of the run", async () => {
    const outcome = await sandbox.bash("echo never", { files: { a: "file", "a/b": "in a file" } });
    expect(outcome).toMatchObject({
      status: "error",
      stdout: "",
      exit_code: null,
      error: { value: expect.any(String) },
    });
  });
});
