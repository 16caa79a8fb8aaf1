import { expect, it } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { run } from "./run.ts";

function fresh(env: Readonly<Record<string, string>> = {}) {
  const folder = temporaryFolder();
  const key = (line: string) => run(line.split(" "), { folder, env });
  const json = async (line: string): Promise<unknown> => JSON.parse((await key(`${line} -o json`)).stdout);
  return { key, json, made: key("token create --sub a --role viewer") };
}

it("rotates keys, lists them, and retires one", async () => {
  const { key, json, made } = fresh();
  await made;
  const first = await json("key list");
  expect(first).toMatchObject([{ algorithm: "HS256", state: "active", source: "data folder", retires_at: null }]);
  const [{ id: old }] = first as [{ id: string }];
  const rotated = await key("key rotate --algorithm EdDSA --overlap 24h");
  expect(rotated.stdout).toMatch(/^kid_\w+ signs from now on \(EdDSA\)\nwhat kid_\w+ has signed is good until 20/);
  const { stdout: listed } = await key("key list");
  expect(listed).toMatch(/EdDSA +active +- /);
  expect(listed).toMatch(new RegExp(`${old} +HS256 +verifying +(1d|2[34]h)`));
  expect((await key(`key retire ${old}`)).stdout).toBe(`${old} retired: what it has signed is good no more\n`);
  expect(await json("key list")).toMatchObject([{ state: "active" }, { id: old, state: "retired" }]);
});

it("says what is wrong with an algorithm, an overlap, and a key that cannot be retired", async () => {
  const { key, json, made } = fresh();
  await made;
  const [{ id }] = (await json("key list")) as [{ id: string }];
  const algorithm = await key("key rotate --algorithm eddsb");
  expect(algorithm).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("is not one of: HS256, EdDSA, ES256, RS256"),
  });
  expect(await key("key rotate --overlap soon")).toMatchObject({ code: 2 });
  expect(await key(`key retire ${id}`)).toMatchObject({ code: 2, stderr: expect.stringContaining("rotate") });
  expect(await key("key retire kid_none")).toMatchObject({
    code: 5,
    stderr: expect.stringContaining("Unknown signing key"),
  });
});

it("shows TOKEN_SECRET as the one key there is, which only the configuration can change", async () => {
  const { key, json, made } = fresh({ TOKEN_SECRET: "a long secret of which nobody knows anything" });
  await made;
  expect(await json("key list")).toMatchObject([{ algorithm: "HS256", state: "active", source: "TOKEN_SECRET" }]);
  expect(await key("key rotate")).toMatchObject({ code: 2, stderr: expect.stringContaining("TOKEN_SECRET") });
});
