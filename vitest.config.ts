import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/e2e/**/*.test.ts"],
    globalSetup: "tests/e2e/setup.ts",
    // Restarts look for the runtime among the children of their own process.
    pool: "forks",
    // Tests mostly wait for timers, so several share a core.
    maxWorkers: 2,
    maxConcurrency: 3,
    sequence: { concurrent: true },
    testTimeout: 90_000,
    hookTimeout: 90_000,
  },
});
