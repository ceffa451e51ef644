import { setTimeout as pause } from "node:timers/promises";

/**
 * Waits until `check` gives something other than `undefined` or `false`, and returns that; what it throws means "not yet".
 *
 * `expect.poll()` would ask vitest which test it is in, which has no answer when one that ran beside it has just ended.
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
