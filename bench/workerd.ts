import type { ChildProcess } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { root } from "../tests/harness/root.ts";
import { line, start, stop } from "./process.ts";

/** A Worker for workerd. */
export interface Code {
  /** The files of its modules, the main one first; each is imported by its base name. */
  modules: string[];
  variables: Record<string, unknown>;
  /** The Durable Object's binding and class, if any. */
  object?: { binding: string; className: string };
}

const bench = join(root, "bench", "workers");
const built = ["index.js", "index_bg.wasm"].map((name) => join(root, "build", name));
const object = { binding: "VM", className: "VmObject" };

/** Returns the built Worker. */
export function vmproxy(variables: Record<string, unknown>): Code {
  return { modules: built, variables, object };
}

/** Returns the built Worker, with its counters at `/counts`. */
export function countedVmproxy(variables: Record<string, unknown>): Code {
  return { modules: [join(bench, "counted.js"), join(bench, "memories.js"), ...built], variables, object };
}

export interface Counts {
  /** The number of calls to Durable Objects. */
  calls: number;
  /** The size of the wasm memory in bytes. */
  wasm: number;
}

export async function counts(worker: Workerd): Promise<Counts> {
  return (await (await fetch(`${worker.url}/counts`)).json()) as Counts;
}

/** Returns a baseline Worker from `bench/workers/`. */
export function baseline(name: string, variables: Record<string, unknown>, className?: string): Code {
  const modules = [join(bench, name), join(bench, "headers.js")];
  return { modules, variables, ...(className ? { object: { binding: className.toUpperCase(), className } } : {}) };
}

/** A Worker in its own `workerd serve`, with nothing else between client and Worker. */
export class Workerd {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(url: string, process: ChildProcess, folder: string) {
    this.url = url;
    this.#process = process;
    this.#folder = folder;
  }

  static async start(code: Code, flags: string[] = []): Promise<Workerd> {
    const folder = mkdtempSync(join(tmpdir(), "vmproxy-bench-"));
    mkdirSync(join(folder, "objects"));
    for (const file of code.modules) copyFileSync(file, join(folder, basename(file)));
    const file = join(folder, "config.capnp");
    writeFileSync(file, config(code, folder));
    const program = join(root, "node_modules", "workerd", "bin", "workerd");
    const child = start("measured", program, ["serve", file, "--control-fd=3", ...flags]);
    const { port } = JSON.parse(await line(child, 3, '"listen"')) as { port: number };
    return new Workerd(`http://127.0.0.1:${port}`, child, folder);
  }

  /**
   * Returns the CPU time of the process so far, in microseconds: unlike a rate, it hardly depends
   * on other load.
   */
  get cpu(): number {
    const tasks = `/proc/${this.#process.pid}/task`;
    if (!existsSync(tasks)) return Number.NaN;
    const times = readdirSync(tasks).map((task) => readFileSync(join(tasks, task, "schedstat"), "utf8").split(" ")[0]);
    return times.reduce((sum, nanoseconds) => sum + Number(nanoseconds) / 1000, 0);
  }

  /** Returns the resident memory of the process, in bytes. */
  get memory(): number {
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.#process.pid}/status`, "utf8"))?.[1];
    return Number(kibibytes) * 1024;
  }

  async stop(): Promise<void> {
    // SIGTERM would first wait for open connections.
    await stop(this.#process, "SIGKILL");
    rmSync(this.#folder, { recursive: true });
  }
}

// See https://github.com/cloudflare/workerd/blob/main/src/workerd/server/workerd.capnp.
function config({ modules, variables, object }: Code, folder: string): string {
  const kind = (name: string) => (name.endsWith(".wasm") ? "wasm" : "esModule");
  const names = modules.map((file) => basename(file));
  const bindings = Object.entries(variables).map(([name, value]) =>
    typeof value === "string" ? `(name = "${name}", text = ${text(value)})` : `(name = "${name}", json = ${text(JSON.stringify(value))})`,
  );
  if (object) bindings.push(`(name = "${object.binding}", durableObjectNamespace = "${object.className}")`);
  const objects = object && [
    `durableObjectNamespaces = [(className = "${object.className}", uniqueKey = "${object.className}", enableSql = true)],`,
    `durableObjectStorage = (localDisk = "objects"),`,
  ];
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = (
      compatibilityDate = "${setting("compatibility_date", /"(.*)"/)}",
      compatibilityFlags = ${setting("compatibility_flags", /(\[.*\])/)},
      modules = [${names.map((name) => `(name = "${name}", ${kind(name)} = embed "${name}")`).join(", ")}],
      bindings = [${bindings.join(", ")}],
      ${objects?.join("\n      ") ?? ""}
    )),
    (name = "objects", disk = (path = ${text(join(folder, "objects"))}, writable = true)),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "worker")],
);
`;
}

/** Returns the runtime settings of the deployed Worker. */
function setting(key: string, value: RegExp): string {
  const wrangler = readFileSync(join(root, "wrangler.toml"), "utf8");
  const found = new RegExp(`^${key} = ${value.source}$`, "m").exec(wrangler)?.[1];
  if (found === undefined) throw new Error(`wrangler.toml has no ${key}`);
  return found;
}

/** Returns a Cap'n Proto text literal in UTF-8. */
function text(value: string): string {
  return JSON.stringify(value);
}
