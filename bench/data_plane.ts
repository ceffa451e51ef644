import { download, type Rate, requests, upload } from "./load.ts";
import { interleaved } from "./rounds.ts";
import { atLeastOf, atMost, atMostOf, compared, median, percentile, ratios, type Row, row } from "./rows.ts";
import { mebibyte, port, Site } from "./site.ts";
import { baseline, counts, countedVmproxy, vmproxy, type Workerd } from "./workerd.ts";

// Two processes with the same Worker may differ by a tenth for as long as they run.
const processes = 10;
const rounds = 6;
const seconds = 1;
const transferRounds = 2;

/** Measures warm requests beside JavaScript Workers that only forward. */
export async function dataPlane(): Promise<Row[]> {
  const site = await Site.nginx();
  try {
    const all: Measured[] = [];
    for (let process = 1; process <= processes; process++) {
      console.log(`data plane, processes ${process} of ${processes}`);
      all.push(await measured(site));
    }
    const small = joined(all.map(({ small }) => small));
    const down = joined(all.map(({ down }) => down));
    const up = joined(all.map(({ up }) => up));
    for (const [who, costs] of Object.entries(small)) {
      const cpu = middle(costs, "cpu");
      print(who, middle(costs, "rps"), "requests/s", middle(costs, "p99"), "ms p99", ...(cpu > 0 ? [cpu, "µs of CPU each"] : []));
    }
    for (const [who, speeds] of Object.entries(down)) print(who, median(speeds), "MiB/s, 100 MiB responses");
    for (const [who, speeds] of Object.entries(up)) print(who, median(speeds), "MiB/s, 100 MiB uploads");

    const named = small["vmproxy, name origin"];
    return [
      rate("name_origin_rps", named, small["JS pass-through"], 0.85),
      rate("name_origin_vs_durable_object", named, small["JS, Durable Object"], 1.4),
      compared("name_origin_p99", "ms", p99(named), p99(small["JS pass-through"]), atMostOf(1.2)),
      rate("ip_origin_rps", small["vmproxy, IP origin"], small["JS socket proxy"], 0.85),
      compared("ip_origin_download", "MiB/s", down["vmproxy, IP origin"], down["JS pass-through"], atLeastOf(0.8)),
      compared("ip_origin_upload", "MiB/s", up["vmproxy, IP origin"], up["JS pass-through"], atLeastOf(0.8)),
      await memory(site),
    ];
  } finally {
    await site.stop();
  }
}

type Measured = Awaited<ReturnType<typeof measured>>;

/** Runs some rounds of every comparison in new processes. */
async function measured(site: Site) {
  const named = `http://localhost:${port}`;
  try {
    const name = await site.run(vmproxy(await site.variables(named)));
    const ip = await site.run(vmproxy(await site.variables("http://{ip}:{port}")));
    for (const worker of [name, ip]) await warm(worker);
    const variables = { ORIGIN: named, ADDRESS: await site.address() };
    const passThrough = await site.run(baseline("pass_through.js", variables));
    const socketProxy = await site.run(baseline("socket_proxy.js", variables));
    const durableObject = await site.run(baseline("durable_object.js", variables, "Backend"));
    const small = await interleaved("1 KiB responses", rounds, {
      "nginx proxy_pass": async () => ({ ...(await requests(`${named}/proxied/1k`, seconds)), cpu: Number.NaN }),
      "JS pass-through": () => load(passThrough),
      "vmproxy, name origin": () => load(name),
      "JS, Durable Object": () => load(durableObject),
      "JS socket proxy": () => load(socketProxy),
      "vmproxy, IP origin": () => load(ip),
    });
    const down = await interleaved("100 MiB responses", transferRounds, {
      "JS pass-through": () => download(`${passThrough.url}/100m`),
      "JS socket proxy": () => download(`${socketProxy.url}/100m`),
      "vmproxy, IP origin": () => download(`${ip.url}/100m`),
    });
    const up = await interleaved("100 MiB uploads", transferRounds, {
      "JS pass-through": () => upload(`${passThrough.url}/upload`),
      "JS socket proxy": () => upload(`${socketProxy.url}/upload`),
      "vmproxy, name origin": () => upload(`${name.url}/upload`),
      "vmproxy, IP origin": () => upload(`${ip.url}/upload`),
    });
    return { small, down, up };
  } finally {
    await site.stopWorkers();
  }
}

function joined<K extends string, T>(parts: Record<K, T[]>[]): Record<K, T[]> {
  const names = Object.keys(parts[0] ?? {}) as K[];
  return Object.fromEntries(names.map((name) => [name, parts.flatMap((part) => part[name])])) as Record<K, T[]>;
}

/** Measures the growth of the wasm memory during 100 MiB in either direction. */
async function memory(site: Site): Promise<Row> {
  const worker = await site.run(countedVmproxy(await site.variables("http://{ip}:{port}")));
  await warm(worker);
  const before = await counts(worker);
  await download(`${worker.url}/100m`);
  await upload(`${worker.url}/upload`);
  const growth = ((await counts(worker)).wasm - before.wasm) / mebibyte;
  return row("ip_origin_memory_growth", growth, "MiB", atMost(growth, 2, "MiB"));
}

/** Sends the first request, which starts the VM or looks up its address. */
async function warm(worker: Workerd): Promise<void> {
  const response = await fetch(`${worker.url}/1k`);
  if (!response.ok || (await response.text()).length !== 1024) throw new Error(`the VM responded with ${response.status}`);
}

interface Cost extends Rate {
  /** Returns the CPU time of the runtime per request, in microseconds. */
  cpu: number;
}

async function load(worker: Workerd): Promise<Cost> {
  const before = worker.cpu;
  const rate = await requests(`${worker.url}/1k`, seconds);
  return { ...rate, cpu: (worker.cpu - before) / (rate.rps * seconds) };
}

/** Returns a row of requests per second; prints the spread of the rounds, too. */
function rate(name: string, ours: Cost[], theirs: Cost[], part: number): Row {
  const [rates, baselines] = [ours, theirs].map((costs) => costs.map(({ rps }) => rps)) as [number[], number[]];
  const all = ratios(rates, baselines);
  const [low, high] = [percentile(all, 0.25), percentile(all, 0.75)];
  console.log(`  ${name}: half of the rounds between ${low.toPrecision(3)} and ${high.toPrecision(3)}`);
  return compared(name, "requests/s", rates, baselines, atLeastOf(part));
}

function p99(costs: Cost[]): number[] {
  return costs.map((cost) => cost.p99);
}

function middle(costs: Cost[], what: keyof Cost): number {
  return median(costs.map((cost) => cost[what]));
}

function print(who: string, ...figures: (string | number)[]): void {
  const cells = figures.map((figure) => (typeof figure === "number" ? figure.toPrecision(4).padStart(8) : figure));
  console.log(`  ${who.padEnd(20)} ${cells.join(" ")}`);
}
