import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/browser/**/*.test.ts"],
    // A browser, the runtime and the emulator for each test keep one or two cores busy.
    maxWorkers: 1,
    maxConcurrency: 2,
    sequence: { concurrent: true },
    testTimeout: 90_000,
    hookTimeout: 90_000,
  },
});
