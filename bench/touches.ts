import { requestsInAll } from "./load.ts";
import { type Row, row } from "./rows.ts";
import { port, Site } from "./site.ts";
import { counts, countedVmproxy } from "./workerd.ts";

const warm = 100_000;
/** For a VM with the default idle timeout. */
const touchInterval = 5;

/** Counts the Durable Object calls for 100,000 warm requests to one isolate. */
export async function touches(): Promise<Row[]> {
  const site = await Site.nginx();
  try {
    const worker = await site.run(countedVmproxy(await site.variables(`http://localhost:${port}`)));
    await fetch(`${worker.url}/1k`);
    const before = await counts(worker);
    const begun = performance.now();
    const responses = await requestsInAll(`${worker.url}/1k`, warm);
    const seconds = (performance.now() - begun) / 1000;
    const calls = (await counts(worker)).calls - before.calls;
    const allowed = Math.ceil(seconds / touchInterval);
    console.log(`${responses} warm requests in ${seconds.toFixed(1)} s: ${calls} calls to the Durable Object`);
    const met = responses >= warm && calls <= allowed;
    return [row("touches_per_100k", calls, "calls", { text: `at most ${allowed}: one each ${touchInterval} s`, met })];
  } finally {
    await site.stop();
  }
}
