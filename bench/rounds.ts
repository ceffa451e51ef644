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
    for (const name of inOrder(names, round)) measured[name].push(await measure[name]());
    if (process.stdout.isTTY) process.stdout.write(`\r${what}: round ${round} of ${rounds}`);
  }
  console.log(`\r${what}: ${rounds} rounds each`);
  return measured;
}

/**
 * What one leaves behind, as connections and garbage, meets the next one. In as many rounds as there are names each
 * comes once right after each other one, if there is an even number of them (E. J. Williams, 1949).
 */
function inOrder<K>(names: K[], round: number): K[] {
  const zigzag = names.map((_, at) => (at % 2 ? (at + 1) / 2 : names.length - at / 2));
  return zigzag.map((place) => names[(place + round) % names.length]!);
}
