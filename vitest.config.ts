import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/e2e/**/*.test.ts"],
    globalSetup: "tests/e2e/setup.ts",
    // The restart tests look for the runtime among the child processes.
    pool: "forks",
    // Tests mostly wait for timers, so several can share a core.
    maxWorkers: 2,
    maxConcurrency: 3,
    sequence: { concurrent: true },
    testTimeout: 90_000,
    hookTimeout: 90_000,
  },
});
