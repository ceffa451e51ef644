// Settings of the deployment that the Worker requires and cannot check itself.

import type { Finding } from "./findings.ts";
import { type Environment, inherited } from "./environment.ts";
import type { Node } from "./node.ts";

/** Returns what would make a deployment useless, apart from the Worker's variables. */
export function checkDeployment(environment: Environment): Finding[] {
  return [...checkBinding(environment), ...checkSizes(environment)];
}

/** The binding and the class that wrangler.toml must give to the Worker's Durable Objects. */
const binding = "VM";
const className = "VmObject";

function checkBinding(environment: Environment): Finding[] {
  const { own } = environment;
  const objects = own.get("durable_objects");
  const bindings = objects?.get("bindings");
  const found = bindings?.items.find((item) => item.get("name")?.value === binding);
  if (!found) {
    const problem = `has no binding named "${binding}" of the class "${className}": each VM needs a Durable Object`;
    return [{ line: (bindings ?? objects ?? own).line, key: "durable_objects.bindings", problem }];
  }
  const bound = found.get("class_name");
  if (bound?.value !== className) {
    const key = `durable_objects.bindings.${binding}.class_name`;
    return [{ line: (bound ?? found).line, key, problem: `${JSON.stringify(bound?.value)} is not "${className}"` }];
  }
  // Another Worker's objects are created by that Worker.
  return found.get("script_name") ? [] : checkMigrations(environment);
}

function checkMigrations(environment: Environment): Finding[] {
  const exported = inherited(environment, "exports")?.get(className);
  if (exported) return [];
  const migrations = inherited(environment, "migrations");
  const steps = migrations?.items ?? [];
  const keyValue = steps.flatMap((step) => step.get("new_classes")?.items ?? []).find(isClass);
  if (keyValue) {
    const problem = `"${className}" keeps its state in SQLite: move it to new_sqlite_classes`;
    return [{ line: keyValue.line, key: "migrations.new_classes", problem }];
  }
  if (steps.some(createsClass)) return [];
  const problem = `no migration has new_sqlite_classes = ["${className}"]: without it the Durable Objects are not created`;
  return [{ line: (migrations ?? environment.own).line, key: "migrations", problem }];
}

function createsClass(migration: Node): boolean {
  const moved = [migration.get("renamed_classes"), migration.get("transferred_classes")];
  const targets = moved.flatMap((classes) => classes?.items ?? []).map((item) => item.get("to"));
  return [...(migration.get("new_sqlite_classes")?.items ?? []), ...targets].some(isClass);
}

function isClass(node: Node | undefined): boolean {
  return node?.value === className;
}

/**
 * Cloudflare's limit on a variable or a secret:
 * https://developers.cloudflare.com/workers/platform/limits/.
 */
const maxVariableBytes = 5 * 1024;

function checkSizes({ own }: Environment): Finding[] {
  const variables = own.get("vars")?.entries ?? [];
  return variables.flatMap(([key, { line, value }]) => {
    const size = Buffer.byteLength(typeof value === "string" ? value : JSON.stringify(value));
    if (size <= maxVariableBytes) return [];
    const advice = key === "VMS" ? "; put a long script in a bucket, and set startup_script_url" : "";
    return [{ line, key, problem: `takes ${size} bytes, and Cloudflare allows ${maxVariableBytes} (5 KB) in a variable${advice}` }];
  });
}
