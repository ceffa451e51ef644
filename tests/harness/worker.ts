import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { Miniflare } from "miniflare";
import { eventually } from "./eventually.ts";
import { root } from "./root.ts";

export const adminToken = "the-operators-token";

export interface WorkerSetting {
  build?: string;
  /** Variables and secrets. */
  variables: Record<string, unknown>;
  /** The names of those kept in a Secrets Store. */
  stored?: string[] | undefined;
  /** A main module of the test, which can import the built one as `index.js`. */
  main?: string | undefined;
  /** Handlers of service bindings, by binding name. */
  networks?: Record<string, Network> | undefined;
  /** The port to listen on; `undefined` means any free port. */
  port?: number | undefined;
  /** The folder of the Durable Objects' storage; `undefined` means that it ends with the Worker. */
  storage?: string | undefined;
  /** Errors in the runtime's log that the test provokes on purpose. */
  mayLog?: RegExp | undefined;
}

/** Serves a request to a binding. */
export type Network = (request: Request) => Promise<Response>;

/** A VM's status in the admin API. */
export interface VmStatus {
  name: string;
  path: string;
  state: string;
  zone: string;
  public_ip: string | null;
  since: string;
  last_activity: string | null;
  idle_deadline: string | null;
  error: string | null;
  drift: string[];
  cold_starts: { at: string; kind: string; token_ms: number; api_ms: number; boot_ms: number; app_ms: number; total_ms: number }[];
  expected: Record<string, Record<string, { median_ms: number; p90_ms: number }>>;
}

/** The part of the API that Miniflare's types omit. */
interface Scheduled {
  scheduled(controller: { cron: string }): Promise<{ outcome: string }>;
}

/** A built Worker in the real runtime, reached over HTTP. */
export class Worker {
  readonly url: string;
  readonly #miniflare: Miniflare;
  readonly #log: string[];
  readonly #mayLog: RegExp | undefined;

  private constructor(url: string, miniflare: Miniflare, log: string[], mayLog: RegExp | undefined) {
    this.url = url;
    this.#miniflare = miniflare;
    this.#log = log;
    this.#mayLog = mayLog;
  }

  static async start(setting: WorkerSetting): Promise<Worker> {
    const { build = "build", variables, stored = [], main, networks = {}, port, storage, mayLog } = setting;
    const log: string[] = [];
    const text = (name: string) => readFileSync(join(root, build, name), "utf8");
    const wasm = new Uint8Array(readFileSync(join(root, build, "index_bg.wasm")));
    const miniflare = new Miniflare({
      cf: false,
      telemetry: { enabled: false },
      enableDevRegistry: false,
      ...(port === undefined ? {} : { port }),
      ...(storage === undefined ? {} : { resourcePersistencePath: storage }),
      handleStructuredLogs: ({ message }: { message: string }) => log.push(message),
      workers: [
        {
          config: {
            name: "vmproxy",
            compatibilityDate: JSON.parse(runtimeSetting("compatibility_date")),
            compatibilityFlags: JSON.parse(runtimeSetting("compatibility_flags")),
            manifest: {
              mainModule: main === undefined ? "index.js" : "main.js",
              modules: {
                ...(main === undefined ? {} : { "main.js": { type: "esm", contents: main } as const }),
                "index.js": { type: "esm", contents: text("index.js") },
                "index_bg.wasm": { type: "wasm", contents: wasm },
              },
            },
            env: {
              ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, variable(value)])),
              ...Object.fromEntries(stored.map((name) => [name, storedSecret(name)])),
              ...Object.fromEntries(Object.entries(networks).map(([name, network]) => [name, binding(network)])),
              VM: { type: "durable-object", worker: "vmproxy", exportName: "VmObject" },
            },
            exports: { VmObject: { type: "durable-object", storage: "sqlite" } },
          },
        },
      ],
    });
    const url = await miniflare.ready;
    const worker = new Worker(url.origin, miniflare, log, mayLog);
    for (const name of stored) await worker.store(name, String(variables[name]));
    return worker;
  }

  /** Changes a secret in the Secrets Store. */
  async store(name: string, value: string): Promise<void> {
    const open = await this.#miniflare.getSecretsStoreSecretAPI(name);
    const secret = await open();
    await secret.create(value);
  }

  /** Sends a request. Redirects are not followed. */
  fetch(path: string, { headers, ...init }: RequestInit & { headers?: Record<string, string> } = {}): Promise<Response> {
    // Miniflare compresses like Cloudflare's edge, which would delay small pieces of a stream.
    return fetch(this.url + path, { redirect: "manual", headers: { "accept-encoding": "identity", ...headers }, ...init });
  }

  /** Fires the cron trigger, and waits for its end. */
  async scheduled(): Promise<void> {
    const worker = (await this.#miniflare.getWorker()) as unknown as Scheduled;
    const { outcome } = await worker.scheduled({ cron: "*/15 * * * *" });
    assert.equal(outcome, "ok");
  }

  /** Sends a request with path and headers exactly as given. */
  request(path: string, options: http.RequestOptions = {}, upload?: string): Promise<{ status: number; headers: Pairs; body: string }> {
    return new Promise((resolve, reject) => {
      const request = http.request(this.url, { path, agent: false, ...options }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const body = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, headers: pairs(response.rawHeaders), body });
        });
      });
      request.on("error", reject);
      request.end(upload);
    });
  }

  /**
   * Sends a request as Cloudflare does: to any host, with `cf` properties. Redirects are not
   * followed.
   */
  dispatch(
    url: string,
    init: { method?: string; headers?: Record<string, string>; cf?: Record<string, unknown> },
  ): Promise<Response> {
    const dispatched = this.#miniflare.dispatchFetch(url, { redirect: "manual", ...init });
    return dispatched as unknown as Promise<Response>;
  }

  /** Calls the admin API with the token. */
  admin(method: string, path: string): Promise<Response> {
    return this.fetch(`/_vmproxy/${path}`, { method, headers: { authorization: `Bearer ${adminToken}` } });
  }

  async vm(name = "backend"): Promise<VmStatus> {
    const response = await this.admin("GET", `vms/${name}`);
    assert.equal(response.status, 200);
    return (await response.json()) as VmStatus;
  }

  untilVm(state: string, name = "backend"): Promise<VmStatus> {
    return eventually(`${name} is ${state} in the admin API`, async () => {
      const vm = await this.vm(name);
      if (vm.state !== state) throw new Error(`it is ${vm.state}`);
      return vm;
    });
  }

  /** Stops the VM as its operator, and waits until it is stopped. */
  async stopVm(name = "backend"): Promise<void> {
    await this.admin("POST", `vms/${name}/stop`);
    await this.untilVm("stopped", name);
  }

  /** The log of the Worker and of the runtime. */
  get log(): string {
    return this.#log.join("\n");
  }

  untilLogged(pattern: RegExp): Promise<true> {
    return eventually(`the log contains ${pattern}`, () => {
      if (!pattern.test(this.log)) throw new Error(`the log is\n${this.log}`);
      return true;
    }, 20_000);
  }

  /** Ends the Worker; fails the test if the log has an error that no Worker may cause. */
  async stop(): Promise<void> {
    await this.#miniflare.dispose();
    const complaints = this.#log.filter((line) => /uncaught|unhandled|panicked|\bhung\b|RuntimeError/i.test(line));
    assert.deepEqual(complaints.filter((line) => !this.#mayLog?.test(line)), []);
  }
}

export type Pairs = [name: string, value: string][];

function pairs(raw: string[]): Pairs {
  return raw.flatMap((name, at): Pairs => (at % 2 ? [] : [[name.toLowerCase(), raw[at + 1] ?? ""]]));
}

function variable(value: unknown) {
  return typeof value === "string" ? ({ type: "text", value } as const) : ({ type: "json", value } as const);
}

function storedSecret(name: string) {
  return { type: "secrets-store-secret", storeId: "the-store", secretName: name } as const;
}

function binding(network: Network) {
  return { type: "fetcher", handler: network } as const;
}

/** Returns a runtime setting of the deployed Worker. */
function runtimeSetting(key: string): string {
  const value = new RegExp(`^${key} = (.*)$`, "m").exec(readFileSync(join(root, "wrangler.toml"), "utf8"))?.[1];
  if (!value) throw new Error(`wrangler.toml has no ${key}`);
  return value;
}
