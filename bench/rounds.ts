/**
 * Measures all in turn for this many rounds, after one warm-up round, so that other load on the
 * machine affects all of them alike.
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
 * Returns the order of a round. One measurement's remains, such as connections and garbage, affect
 * the next. In as many rounds as there are names, each follows each other one exactly once if their
 * number is even (E. J. Williams, 1949).
 */
function inOrder<K>(names: K[], round: number): K[] {
  const zigzag = names.map((_, at) => (at % 2 ? (at + 1) / 2 : names.length - at / 2));
  return zigzag.map((place) => names[(place + round) % names.length]!);
}
