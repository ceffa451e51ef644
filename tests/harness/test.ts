import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as base } from "vitest";
import { Emulator, instancePort, type KeyFile, type Timing } from "./emulator.ts";
import { adminToken, type Network, Worker } from "./worker.ts";

export interface Setting {
  /** The configuration of the only VM, added to the required keys. */
  vm?: VmConfig;
  /** The configurations of several VMs. */
  vms?: VmConfig[];
  /** Variables and secrets to change, or a function of the key file; `undefined` removes one. */
  variables?: Record<string, unknown> | ((key: KeyFile) => Record<string, unknown>);
  /** The names of those kept in a Secrets Store. */
  stored?: string[];
  /** Fields of the service account's key file to change. */
  key?: Partial<KeyFile>;
  main?: string;
  networks?: Record<string, Network>;
  timing?: Partial<Timing>;
  storage?: string;
  mayLog?: RegExp;
}

export interface VmConfig {
  instance?: Record<string, unknown>;
  [key: string]: unknown;
}

/** A Worker, and the cloud of its VMs. */
export interface World {
  cloud: Emulator;
  worker: Worker;
  /** Starts another Worker, with the same configuration or a changed one. */
  startAgain(changed?: Pick<Setting, "vm" | "vms" | "main">): Promise<Worker>;
  end(): Promise<void>;
}

export async function launch(setting: Setting = {}): Promise<World> {
  const cloud = await Emulator.start(setting.timing);
  const workers: Worker[] = [];
  const end = async () => {
    try {
      for (const worker of workers) await worker.stop();
    } finally {
      await cloud.stop();
    }
  };
  const startAgain = async (changed: Pick<Setting, "vm" | "vms" | "main"> = {}) => {
    const { main, networks, storage, stored, mayLog, ...rest } = { ...setting, ...changed };
    const variables = await variablesOf(rest, cloud);
    const worker = await Worker.start({ variables, stored, main, networks, storage, mayLog });
    workers.push(worker);
    return worker;
  };
  try {
    return { cloud, worker: await startAgain(), startAgain, end };
  } catch (error) {
    await end();
    throw error;
  }
}

/**
 * A test that can launch Workers and their clouds, which end with it, and keep the Workers'
 * storage.
 */
export const test = base.extend<{ storage: string; launch: typeof launch }>({
  storage: async ({}, use) => {
    const folder = mkdtempSync(join(tmpdir(), "vmproxy-"));
    await use(folder);
    rmSync(folder, { recursive: true });
  },
  launch: async ({}, use) => {
    const worlds: World[] = [];
    await use(async (setting) => {
      const world = await launch(setting);
      worlds.push(world);
      return world;
    });
    await Promise.all(worlds.map((world) => world.end()));
  },
});

async function variablesOf({ vm = {}, vms = [vm], variables, key }: Setting, cloud: Emulator) {
  const keyFile = { ...(await cloud.keyFile()), ...key } as KeyFile;
  const all: Record<string, unknown> = {
    VMS: vms.map(({ instance, ...rest }) => ({
      path: "/",
      health_path: "/healthz",
      port: instancePort,
      ...rest,
      instance: { name: "backend", zone: "us-central1-a", ...instance },
    })),
    COMPUTE_ENDPOINT: cloud.computeEndpoint,
    IAM_CREDENTIALS_ENDPOINT: cloud.iamCredentialsEndpoint,
    GOOGLE_SERVICE_ACCOUNT_KEY: JSON.stringify(keyFile),
    ADMIN_TOKEN: adminToken,
    ...(typeof variables === "function" ? variables(keyFile) : variables),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
