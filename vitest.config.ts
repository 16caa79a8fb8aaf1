import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/support/compile-cache.ts",
    maxWorkers: 2, // many tests wait for a clock; the default, one less than there are cores, waits with them
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
