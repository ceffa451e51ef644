import { type ChildProcess, spawn } from "node:child_process";
import { createSign } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { eventually } from "./eventually.ts";
import { root } from "./root.ts";

export const instancePort = 18080;

/** The durations of an instance's phases, in milliseconds. */
export interface Timing {
  provision_ms: number;
  stage_ms: number;
  boot_ms: number;
  stop_ms: number;
  suspend_ms: number;
  resume_ms: number;
}

export const quick: Timing = { provision_ms: 100, stage_ms: 100, boot_ms: 200, stop_ms: 200, suspend_ms: 200, resume_ms: 100 };

/** Longer than any test. */
export const ever = 600_000;

/** The boot lasts until the test calls `finishBoot`. */
export const booting: Partial<Timing> = { boot_ms: ever };

export type Status = "PROVISIONING" | "STAGING" | "RUNNING" | "STOPPING" | "TERMINATED" | "SUSPENDING" | "SUSPENDED";

export interface Instance {
  name: string;
  zone: string;
  status: Status;
  public_ip: string | null;
  ipv6_port: number | null;
  listening: boolean;
  listening_since: string | null;
  boots: number;
}

export interface Fault {
  method: string;
  times?: number;
  status?: number;
  delay_ms?: number;
  drop?: boolean | "answer";
  reason?: string;
  operation_error?: string | { code: string; message: string };
}

interface Operation {
  id: string;
  operationType: string;
  targetLink: string;
}

export interface KeyFile {
  project_id: string;
  client_email: string;
  private_key_id: string;
  private_key: string;
  token_uri: string;
  [field: string]: string;
}

/** The Compute Engine emulator, in its own process. */
export class Emulator {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(url: string, process: ChildProcess) {
    this.url = url;
    this.#process = process;
  }

  static async start(timing: Partial<Timing> = {}, port = instancePort): Promise<Emulator> {
    const phases = Object.entries({ ...quick, ...timing });
    const flags = phases.flatMap(([phase, ms]) => [`--${phase.replace("_", "-")}`, String(ms)]);
    const program = join(root, "target", "debug", "gce-emulator");
    const child = spawn(program, ["--port", "0", "--instance-port", String(port), "--quiet", ...flags], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "close").then(() => Promise.reject(new Error("gce-emulator ended at once")));
    const [line] = (await Promise.race([once(createInterface({ input: child.stdout }), "line"), ended])) as [string];
    ended.catch(() => {});
    return new Emulator(line.replace(/^.* /, ""), child);
  }

  get computeEndpoint(): string {
    return `${this.url}/compute/v1`;
  }

  get iamCredentialsEndpoint(): string {
    return `${this.url}/v1`;
  }

  keyFile(): Promise<KeyFile> {
    return this.#control<KeyFile>("GET", "service-account.json");
  }

  /** Returns the number of calls of each method so far. */
  async calls(): Promise<Record<string, number>> {
    return (await this.#control<{ calls: Record<string, number> }>("GET", "stats")).calls;
  }

  async instances(): Promise<Instance[]> {
    return (await this.#control<{ instances: Instance[] }>("GET", "instances")).instances;
  }

  async instance(name = "backend"): Promise<Instance | undefined> {
    return (await this.instances()).find((instance) => instance.name === name);
  }

  /** Waits until the instance has this status. */
  until(status: Status, name = "backend", deadline?: number): Promise<Instance> {
    return eventually(`${name} is ${status}`, async () => {
      const instance = await this.instance(name);
      if (!instance) throw new Error("there is no such instance");
      if (instance.status !== status) throw new Error(`it is ${instance.status}`);
      return instance;
    }, deadline);
  }

  untilGone(name = "backend"): Promise<true> {
    return eventually(`${name} is deleted`, async () => (await this.instance(name)) === undefined);
  }

  /** Returns the Instance resource from the API. */
  resource(name = "backend", zone = "us-central1-a"): Promise<Record<string, unknown>> {
    return this.call("GET", `zones/${zone}/instances/${name}`);
  }

  /** Calls the API as another client than the proxy. */
  async call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const key = await this.keyFile();
    const url = `${this.computeEndpoint}/projects/${key.project_id}/${path}`;
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${selfSignedToken(key)}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(await response.text());
    return (await response.json()) as Record<string, unknown>;
  }

  /** Returns the types of all operations on an instance so far, oldest first. */
  async operations(name = "backend", zone = "us-central1-a"): Promise<string[]> {
    const { items = [] } = (await this.call("GET", `zones/${zone}/operations`)) as { items?: Operation[] };
    const own = items.filter(({ targetLink }) => targetLink.endsWith(`/instances/${name}`));
    return own.sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1)).map(({ operationType }) => operationType);
  }

  fault(fault: Fault): Promise<unknown> {
    return this.#control("POST", "faults", fault);
  }

  timing(timing: Partial<Timing>): Promise<unknown> {
    return this.#control("PUT", "timing", timing);
  }

  /** Reboots an instance that is `booting`, this time without delay. */
  async finishBoot(name = "backend", zone = "us-central1-a"): Promise<void> {
    await this.until("RUNNING", name);
    await this.timing({ boot_ms: 0 });
    await this.call("POST", `zones/${zone}/instances/${name}/reset`);
  }

  /** Sets the offset of Google's clock. */
  clock(offset_ms: number): Promise<unknown> {
    return this.#control("PUT", "clock", { offset_ms });
  }

  afflict(how: "preempt" | "crash" | "hang" | "swallow", name = "backend"): Promise<unknown> {
    return this.#control("POST", `instances/${name}/${how}`);
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, "close");
    this.#process.kill("SIGTERM");
    await ended;
  }

  async #control<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.url}/emulator/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`the emulator responded with ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }
}

// Google's API accepts a token signed by the service account itself (AIP-4111), without a token
// server.
export function selfSignedToken(key: KeyFile, lifetime = 600): string {
  return signed(key, lifetime);
}

/**
 * Returns a JWT signed by the service account: a self-signed token, or an assertion for the token
 * server.
 */
export function signed(key: KeyFile, lifetime: number, more: Record<string, unknown> = {}): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: key.client_email, scope: "https://www.googleapis.com/auth/compute", iat: now, exp: now + lifetime, ...more };
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const message = `${part({ alg: "RS256", typ: "JWT", kid: key.private_key_id })}.${part(claims)}`;
  return `${message}.${createSign("RSA-SHA256").update(message).sign(key.private_key, "base64url")}`;
}
