import { download, type Rate, requests, upload } from "./load.ts";
import { interleaved } from "./rounds.ts";
import { atLeastOf, atMost, atMostOf, median, type Row, row } from "./rows.ts";
import { mebibyte, port, Site } from "./site.ts";
import { baseline, counts, countedVmproxy, vmproxy, type Workerd } from "./workerd.ts";

const rounds = 9;
const seconds = 2;
const transferRounds = 15;

/** What warm requests cost, beside Workers in JavaScript that forward and do nothing else. */
export async function dataPlane(): Promise<Row[]> {
  const site = await Site.nginx();
  try {
    const named = `http://localhost:${port}`;
    const name = await site.run(vmproxy(await site.variables(named)));
    const ip = await site.run(vmproxy(await site.variables("http://{ip}:{port}")));
    for (const worker of [name, ip]) await warm(worker);
    const variables = { ORIGIN: named, ADDRESS: await site.address() };
    const passThrough = await site.run(baseline("pass_through.js", variables));
    const socketProxy = await site.run(baseline("socket_proxy.js", variables));
    const durableObject = await site.run(baseline("durable_object.js", variables, "Backend"));

    const small = await interleaved("1 KiB answers", rounds, {
      "nginx proxy_pass": async () => ({ ...(await requests(`${named}/proxied/1k`, seconds)), cpu: Number.NaN }),
      "JS pass-through": () => load(passThrough),
      "vmproxy, name origin": () => load(name),
      "JS, Durable Object": () => load(durableObject),
      "JS socket proxy": () => load(socketProxy),
      "vmproxy, IP origin": () => load(ip),
    });
    for (const [who, costs] of Object.entries(small)) {
      const cpu = middle(costs, "cpu");
      print(who, middle(costs, "rps"), "requests/s", middle(costs, "p99"), "ms p99", ...(cpu > 0 ? [cpu, "µs of CPU each"] : []));
    }
    const down = await interleaved("100 MiB answers", transferRounds, {
      "JS pass-through": () => download(`${passThrough.url}/100m`),
      "JS socket proxy": () => download(`${socketProxy.url}/100m`),
      "vmproxy, IP origin": () => download(`${ip.url}/100m`),
    });
    for (const [who, speeds] of Object.entries(down)) print(who, median(speeds), "MiB/s");
    const up = await interleaved("100 MiB uploads", transferRounds, {
      "JS pass-through": () => upload(`${passThrough.url}/upload`),
      "JS socket proxy": () => upload(`${socketProxy.url}/upload`),
      "vmproxy, name origin": () => upload(`${name.url}/upload`),
      "vmproxy, IP origin": () => upload(`${ip.url}/upload`),
    });
    for (const [who, speeds] of Object.entries(up)) print(who, median(speeds), "MiB/s");

    const rate = (who: keyof typeof small) => middle(small[who], "rps");
    const p99 = (who: keyof typeof small) => middle(small[who], "p99");
    return [
      compared("name_origin_rps", rate("vmproxy, name origin"), "requests/s", rate("JS pass-through"), 0.85),
      compared("name_origin_vs_durable_object", rate("vmproxy, name origin"), "requests/s", rate("JS, Durable Object"), 1.4),
      row(
        "name_origin_p99",
        p99("vmproxy, name origin"),
        "ms",
        atMostOf(p99("vmproxy, name origin"), p99("JS pass-through"), 1.2),
        p99("JS pass-through"),
      ),
      compared("ip_origin_rps", rate("vmproxy, IP origin"), "requests/s", rate("JS socket proxy"), 0.85),
      compared("ip_origin_download", median(down["vmproxy, IP origin"]), "MiB/s", median(down["JS pass-through"]), 0.8),
      compared("ip_origin_upload", median(up["vmproxy, IP origin"]), "MiB/s", median(up["JS pass-through"]), 0.8),
      await memory(site),
    ];
  } finally {
    await site.stop();
  }
}

/** By how much the wasm memory grows while 100 MiB go through in either direction. */
async function memory(site: Site): Promise<Row> {
  const worker = await site.run(countedVmproxy(await site.variables("http://{ip}:{port}")));
  await warm(worker);
  const before = await counts(worker);
  await download(`${worker.url}/100m`);
  await upload(`${worker.url}/upload`);
  const growth = ((await counts(worker)).wasm - before.wasm) / mebibyte;
  return row("ip_origin_memory_growth", growth, "MiB", atMost(growth, 2, "MiB"));
}

/** The first request starts the VM, or learns where it is. */
async function warm(worker: Workerd): Promise<void> {
  const answer = await fetch(`${worker.url}/1k`);
  if (!answer.ok || (await answer.text()).length !== 1024) throw new Error(`the VM answered ${answer.status}`);
}

function compared(name: string, value: number, unit: string, against: number, part: number): Row {
  return row(name, value, unit, atLeastOf(value, against, part), against);
}

interface Cost extends Rate {
  /** Of a request, in microseconds of the runtime's CPU time. */
  cpu: number;
}

async function load(worker: Workerd): Promise<Cost> {
  const before = worker.cpu;
  const rate = await requests(`${worker.url}/1k`, seconds);
  return { ...rate, cpu: (worker.cpu - before) / (rate.rps * seconds) };
}

function middle(costs: Cost[], what: keyof Cost): number {
  return median(costs.map((cost) => cost[what]));
}

function print(who: string, ...figures: (string | number)[]): void {
  const cells = figures.map((figure) => (typeof figure === "number" ? figure.toPrecision(4).padStart(8) : figure));
  console.log(`  ${who.padEnd(20)} ${cells.join(" ")}`);
}
