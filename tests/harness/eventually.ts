import { setTimeout as pause } from "node:timers/promises";

/**
 * Waits until `check` returns something other than `undefined` or `false`, and returns that. An
 * exception means "not yet".
 *
 * `expect.poll()` asks vitest for the current test, which fails when a concurrent test has just
 * ended.
 */
export async function eventually<T>(
  what: string,
  check: () => T | Promise<T>,
  deadline = 60_000,
): Promise<Exclude<T, undefined | false>> {
  const givesUpAt = Date.now() + deadline;
  for (;;) {
    let seen: unknown;
    try {
      const result = await check();
      if (result !== undefined && result !== false) return result as Exclude<T, undefined | false>;
      seen = result;
    } catch (error) {
      seen = error;
    }
    if (Date.now() > givesUpAt) throw new Error(`not within ${deadline} ms: ${what}; last: ${String(seen)}`);
    await pause(25);
  }
}
