import type { ChildProcess } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type KeyFile } from "../tests/harness/emulator.ts";
import { root } from "../tests/harness/root.ts";
import { line, start, stop } from "./process.ts";
import { type Code, Workerd } from "./workerd.ts";

export const port = 18090;
export const mebibyte = 1024 * 1024;

/** An emulated cloud with one VM, whose server is the origin of all compared Workers. */
export class Site {
  readonly #process: ChildProcess;
  readonly #url: string;
  readonly #folder: string;
  readonly #workers: Workerd[] = [];

  private constructor(process: ChildProcess, url: string, folder: string) {
    this.#process = process;
    this.#url = url;
    this.#folder = folder;
  }

  /** Starts a site whose VM runs nginx. */
  static nginx(): Promise<Site> {
    return Site.#start((folder) => {
      // nginx drops root before it reads.
      chmodSync(folder, 0o755);
      writeFileSync(join(folder, "1k"), "x".repeat(1024));
      // A sparse file: it is read from memory, not from a disk.
      writeFileSync(join(folder, "100m"), "");
      truncateSync(join(folder, "100m"), 100 * mebibyte);
      writeFileSync(join(folder, "template"), nginx(folder));
      return `sed "s/@IP@/$IP/" ${folder}/template > ${folder}/nginx.conf && exec nginx -e ${folder}/error.log -p ${folder} -c nginx.conf`;
    });
  }

  /** Starts a site whose VM runs the emulator's server, which echoes WebSocket messages. */
  static demo(): Promise<Site> {
    return Site.#start(() => undefined);
  }

  static async #start(server: (folder: string) => string | undefined): Promise<Site> {
    const folder = mkdtempSync(join(tmpdir(), "vmproxy-bench-"));
    const command = server(folder);
    const program = join(root, "target", "release", "gce-emulator");
    const phases = ["provision", "stage", "boot", "stop"].flatMap((phase) => [`--${phase}-ms`, "50"]);
    const flags = ["--port", "0", "--instance-port", String(port), "--quiet", ...phases];
    const child = start("others", program, command === undefined ? flags : [...flags, "--exec", command]);
    const listening = await line(child, 1, "listening on");
    return new Site(child, listening.replace(/^.* /, ""), folder);
  }

  /** Returns the variables of a Worker that reaches the VM like this. */
  async variables(origin: string): Promise<Record<string, unknown>> {
    const vm = { path: "/", health_path: "/healthz", port, origin, on_idle: "never", instance: { name: "backend", zone: "us-central1-a" } };
    const key = await this.#get<KeyFile>("service-account.json");
    return { VMS: [vm], COMPUTE_ENDPOINT: `${this.#url}/compute/v1`, GOOGLE_SERVICE_ACCOUNT_KEY: JSON.stringify(key) };
  }

  /** Runs a Worker, until {@link stopWorkers}. */
  async run(code: Code): Promise<Workerd> {
    const worker = await Workerd.start(code);
    this.#workers.push(worker);
    return worker;
  }

  /** Returns the address of the VM, which some Worker has started. */
  async address(): Promise<string> {
    const { instances } = await this.#get<{ instances: { public_ip: string }[] }>("instances");
    return `${instances[0]!.public_ip}:${port}`;
  }

  async stopWorkers(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((worker) => worker.stop()));
  }

  async stop(): Promise<void> {
    await this.stopWorkers();
    await stop(this.#process);
    rmSync(this.#folder, { recursive: true });
  }

  async #get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.#url}/emulator/${path}`);
    return (await response.json()) as T;
  }
}

// Uploads are read to their end, in memory, before the response. `localhost` is the same server
// under a name.
function nginx(folder: string): string {
  return `
daemon off;
pid nginx.pid;
worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  keepalive_requests 1000000000;
  client_body_temp_path body;
  client_max_body_size 200m;
  client_body_buffer_size 101m;
  upstream origin {
    server 127.0.0.1:${port};
    keepalive 64;
  }
  server {
    listen @IP@:${port} backlog=4096;
    listen 127.0.0.1:${port} backlog=4096;
    location = /healthz { return 204; }
    location = /upload {
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_method GET;
      proxy_pass http://127.0.0.1:${port}/healthz;
    }
    location /proxied/ {
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass http://origin/;
    }
    location / { root ${folder}; }
  }
}
`;
}
