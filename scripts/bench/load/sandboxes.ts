import path from "node:path";
import { pathToFileURL } from "node:url";
import { NO_LABELS } from "../../../src/domain/labels.ts";
import { NO_SETTINGS } from "../../../src/domain/settings/settings.ts";

type DataFolderModule = typeof import("../../../src/store/data-folder.ts");
type StoreModule = typeof import("../../../src/store/sqlite/open.ts");

/**
 * Puts sandboxes with an instance each into a data folder that no daemon uses yet: nobody calls them. `checkout`: whose
 * gateway will use it, for another's database may be another.
 */
export async function registerSandboxes(checkout: string, dataDir: string, count: number): Promise<void> {
  const module = (name: string): string => pathToFileURL(path.join(checkout, "src/store", name)).href;
  const { openDataFolder } = (await import(module("data-folder.ts"))) as DataFolderModule;
  const { openSqliteStore } = (await import(module("sqlite/open.ts"))) as StoreModule;
  const store = openSqliteStore(openDataFolder(dataDir).database);
  try {
    const createdAt = Date.now();
    await store.transaction(async ({ sandboxes }) => {
      for (let number = 0; number < count; number++) {
        const id = `idle-${number}`;
        const plain = {
          runtime: "generic",
          driver: "static",
          strategy: null,
          labels: NO_LABELS,
          settings: NO_SETTINGS,
        };
        await sandboxes.create({ id, ...plain, createdAt });
        const address = [10, (number >> 16) & 255, (number >> 8) & 255, number & 255].join(".");
        const instance = `ins_${number.toString(36).padStart(16, "0")}`;
        await sandboxes.createInstance({ id: instance, sandboxId: id, url: `http://${address}:8080`, weight: 1 });
      }
    });
  } finally {
    await store.close();
  }
}
