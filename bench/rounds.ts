/**
 * Measures each in turn, so many rounds, after one that does not count: what else the machine does meanwhile meets
 * all of them alike.
 */
export async function interleaved<K extends string, T>(
  what: string,
  rounds: number,
  measure: Record<K, () => Promise<T>>,
): Promise<Record<K, T[]>> {
  const names = Object.keys(measure) as K[];
  const measured = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<K, T[]>;
  for (const name of names) await measure[name]();
  for (let round = 1; round <= rounds; round++) {
    // Back and forth, so that none is always the first after another.
    for (const name of round % 2 ? names : [...names].reverse()) measured[name].push(await measure[name]());
    if (process.stdout.isTTY) process.stdout.write(`\r${what}: round ${round} of ${rounds}`);
  }
  console.log(`\r${what}: median of ${rounds} rounds each`);
  return measured;
}
