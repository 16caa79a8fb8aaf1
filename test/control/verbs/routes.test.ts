import { describe, expect, it } from "vitest";
import type { NewRoute } from "../../../src/control/verbs/routes.ts";
import { ADA, expectUntouched, NOW, openTestVerbs, recordsIn, refusal, SANDBOX } from "../../support/verbs.ts";

const ROUTE: NewRoute = { sandboxId: "py", host: null, path: "/shop", methods: null, stripPrefix: false };

async function withSandbox() {
  const opened = await openTestVerbs();
  await opened.verbs.sandboxes.create(ADA, SANDBOX);
  return opened;
}

describe("routes.create", () => {
  it("stores the route, announces it whole and records it", async () => {
    const { store, verbs } = await withSandbox();
    const settings = { "total-timeout": "5s" };
    const given = { ...ROUTE, host: "Shop.Example", path: "/v1/", methods: "post,GET", stripPrefix: true, settings };
    const { route, revision } = await verbs.routes.create(ADA, given);
    expect(route).toEqual({
      id: expect.stringMatching(/^rte_/) as string,
      sandboxId: "py",
      host: "shop.example",
      path: "/v1",
      methods: ["GET", "POST"],
      stripPrefix: true,
      settings: { totalTimeout: 5000 },
      createdAt: NOW,
    });
    expect(await verbs.routes.find(ADA, route.id)).toEqual(route);
    expect(await store.changes.since(revision - 1)).toEqual([{ revision, change: { kind: "route.put", route } }]);
    expect((await store.snapshot(0)).routes).toEqual([route]);
    expect(recordsIn(store).at(-1)).toMatchObject({
      action: "route.add",
      target: route.id,
      sandbox: "py",
      path: "/v1",
    });
  });

  it.each<[string, Partial<NewRoute>, string]>([
    ["a path of the gateway's", { path: "/api/v1/x" }, "VAL_010"],
    ["a host under the gateway's domain", { host: "x.gw.example" }, "VAL_010"],
    ["a method that is none", { methods: "GTE" }, "VAL_010"],
    ["a setting that only sandboxes have", { settings: { "hard-limit": "1" } }, "VAL_010"],
    ["a prefix kept by a setting", { settings: { "keep-prefix": "true" } }, "VAL_010"],
    ["an unknown sandbox", { sandboxId: "none" }, "ROUTE_001"],
  ])("refuses %s and writes nothing", async (_, wrong, code) => {
    const { store, verbs } = await withSandbox();
    await expectUntouched(store, () =>
      expect(verbs.routes.create(ADA, { ...ROUTE, ...wrong })).rejects.toEqual(refusal(code)),
    );
  });

  it("refuses a second one for the same calls, and names the first", async () => {
    const { verbs } = await withSandbox();
    const { route } = await verbs.routes.create(ADA, { ...ROUTE, methods: "GET,PUT" });
    const again = verbs.routes.create(ADA, { ...ROUTE, path: "/shop/", methods: "PUT" });
    await expect(again).rejects.toMatchObject({
      code: "ROUTE_012",
      details: `PUT /shop goes to sandbox py by ${route.id}`,
      remediation: expect.stringContaining(`sandboxgw route remove ${route.id}`) as string,
    });
    for (const other of [{ methods: "POST" }, { methods: null }, { host: "a.example" }, { path: "/shop/x" }]) {
      await verbs.routes.create(ADA, { ...ROUTE, methods: "GET,PUT", ...other });
    }
    await expect(verbs.routes.create(ADA, ROUTE)).rejects.toEqual(refusal("ROUTE_012"));
  });
});

describe("routes.list", () => {
  it("has those of any host first, by path, all or one sandbox's", async () => {
    const { verbs } = await withSandbox();
    await verbs.sandboxes.create(ADA, { ...SANDBOX, id: "js" });
    await verbs.routes.create(ADA, { ...ROUTE, host: "a.example" });
    await verbs.routes.create(ADA, { ...ROUTE, path: "/b", sandboxId: "js" });
    await verbs.routes.create(ADA, { ...ROUTE, path: "/a" });
    const places = async (sandboxId?: string) =>
      (await verbs.routes.list(ADA, { sandboxId })).map(({ host, path }) => `${host ?? ""}${path}`);
    expect(await places()).toEqual(["/a", "/b", "a.example/shop"]);
    expect(await places("js")).toEqual(["/b"]);
    await expect(places("none")).rejects.toEqual(refusal("ROUTE_001"));
  });
});

describe("routes.remove", () => {
  it("removes it, announces and records that", async () => {
    const { store, verbs } = await withSandbox();
    const { route } = await verbs.routes.create(ADA, ROUTE);
    const { revision } = await verbs.routes.remove(ADA, route.id);
    expect(await verbs.routes.list(ADA)).toEqual([]);
    const change = { kind: "route.removed", routeId: route.id };
    expect(await store.changes.since(revision - 1)).toEqual([{ revision, change }]);
    expect(recordsIn(store).at(-1)).toMatchObject({ action: "route.remove", target: route.id, path: "/shop" });
    await expectUntouched(store, () =>
      expect(verbs.routes.remove(ADA, route.id)).rejects.toEqual(refusal("ROUTE_011")),
    );
  });

  it("comes with the sandbox's own removal: a new one of that name has none of its routes", async () => {
    const { store, verbs } = await withSandbox();
    const { route } = await verbs.routes.create(ADA, ROUTE);
    const { routes, revision } = await verbs.sandboxes.remove(ADA, "py");
    expect(routes).toEqual([route]);
    expect(await store.changes.since(revision - 2)).toEqual([
      { revision: revision - 1, change: { kind: "route.removed", routeId: route.id } },
      { revision, change: { kind: "sandbox.removed", sandboxId: "py" } },
    ]);
    expect(recordsIn(store).at(-1)).toMatchObject({ action: "sandbox.remove", routes: [route.id] });
    await verbs.sandboxes.create(ADA, SANDBOX);
    expect((await store.snapshot(0)).routes).toEqual([]);
  });
});
