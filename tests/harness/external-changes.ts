import { type Emulator, quick, type Timing } from "./emulator.ts";
import { eventually } from "./eventually.ts";

const zone = "zones/us-central1-a";

/** A change of an instance by another client than the proxy. */
export type ExternalChange = "insert" | "start" | "stop" | "suspend" | "resume" | "reset" | "delete" | "preempt";

/** The condition of an instance during a change or after it. */
export type Condition =
  | "gone"
  | "PROVISIONING"
  | "STAGING"
  | "booting"
  | "serving"
  | "STOPPING"
  | "TERMINATED"
  | "SUSPENDING"
  | "SUSPENDED";

/**
 * Applies the changes in order, and waits until each instance is in this condition. A transitional
 * condition lasts for two seconds.
 */
export async function applyChanges(
  cloud: Emulator,
  changes: readonly ExternalChange[],
  condition: Condition,
  names: readonly string[] = ["backend"],
): Promise<void> {
  for (const [index, change] of changes.entries()) {
    const isLast = index === changes.length - 1;
    if (isLast) await cloud.timing(slow(condition));
    const operations = await Promise.all(names.map((name) => act(cloud, change, name)));
    if (isLast && !isStable(condition)) continue;
    await Promise.all(operations.map((operation) => cloud.call("POST", `${zone}/operations/${operation}/wait`)));
  }
  await untilCondition(cloud, condition, names);
  await cloud.timing(quick);
}

/** Returns the timing with which this condition lasts for two seconds. */
export function slow(condition: Condition): Partial<Timing> {
  switch (condition) {
    case "PROVISIONING":
      return { provision_ms: 2000 };
    case "STAGING":
      return { stage_ms: 2000, resume_ms: 2000 };
    case "booting":
      return { boot_ms: 2000 };
    case "STOPPING":
      return { stop_ms: 2000 };
    case "SUSPENDING":
      return { suspend_ms: 2000 };
    default:
      return {};
  }
}

/** Whether no operation is in progress in this condition. */
export function isStable(condition: Condition): boolean {
  return !["PROVISIONING", "STAGING", "STOPPING", "SUSPENDING"].includes(condition);
}

/** Returns the instance that the proxy would create, with these fields changed. */
export function instanceResource(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: "backend",
    machineType: `${zone}/machineTypes/n1-standard-1`,
    disks: [{ boot: true, autoDelete: true, initializeParams: { sourceImage: "projects/debian-cloud/global/images/family/debian-12" } }],
    networkInterfaces: [{ network: "global/networks/default", accessConfigs: [{ type: "ONE_TO_ONE_NAT" }] }],
    scheduling: { provisioningModel: "SPOT" },
    tags: { items: ["http-server"] },
    ...fields,
  };
}

export async function conditionOf(cloud: Emulator, name: string): Promise<Condition> {
  const instance = await cloud.instance(name);
  if (!instance) return "gone";
  if (instance.status === "RUNNING") return instance.listening ? "serving" : "booting";
  return instance.status;
}

/** Waits until each instance is in this condition. */
export async function untilCondition(cloud: Emulator, condition: Condition, names: readonly string[]): Promise<void> {
  await eventually(`${names.join(", ")} are ${condition}`, async () => {
    const seen = await Promise.all(names.map((name) => conditionOf(cloud, name)));
    if (seen.some((one) => one !== condition)) throw new Error(`they are ${seen.join(", ")}`);
    return true;
  });
}

async function act(cloud: Emulator, change: ExternalChange, name: string): Promise<string> {
  if (change === "preempt") return ((await cloud.afflict("preempt", name)) as { operation: string }).operation;
  const operation = await (change === "insert"
    ? cloud.call("POST", `${zone}/instances`, instanceResource({ name }))
    : change === "delete"
      ? cloud.call("DELETE", `${zone}/instances/${name}`)
      : cloud.call("POST", `${zone}/instances/${name}/${change}`));
  return operation.name as string;
}
