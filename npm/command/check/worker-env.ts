import type { Environment } from "./environment.ts";

/**
 * Returns the variables, secrets and bindings that the Worker gets in an environment.
 *
 * A secret that is not in the file is assumed to be set, because it cannot be read before the
 * deployment.
 */
export function workerEnv({ own, vars, vms }: Environment): Record<string, unknown> {
  const stored = namesIn("secrets_store_secrets").map((name) => [name, unknownSecret]);
  const bindings = bindingsWithFetch.flatMap(namesIn).map((name) => [name, service]);
  const variables = vars.entries.map(([name, { value }]) => [name, value]);
  return {
    [keySecret]: unknownSecret,
    // The Worker compares this secret itself, so it must be a secret of the Worker.
    ...Object.fromEntries(wakeSecrets(vms).map((name) => [name, "set when deployed"])),
    ...Object.fromEntries([...stored, ...bindings, ...variables]),
  };

  function namesIn(kind: string): string[] {
    const names = own.get(kind)?.items.map((binding) => binding.get("binding")?.value) ?? [];
    return names.filter((name) => typeof name === "string");
  }
}

const keySecret = "GOOGLE_SERVICE_ACCOUNT_KEY";

/** What the Worker takes for a secret in a Secrets Store, which it does not read when it checks. */
const unknownSecret = { get: () => Promise.reject(new Error("not deployed yet")) };

/** The kinds of bindings that have a `fetch()`. */
const bindingsWithFetch = ["vpc_networks", "vpc_services", "services", "mtls_certificates"];

const service = { fetch: () => Promise.reject(new Error("not deployed yet")) };

function wakeSecrets(vms: unknown[]): string[] {
  const secrets = vms.map((vm) => (vm as { wake?: { secret?: unknown } } | null)?.wake?.secret);
  return secrets.filter((name) => typeof name === "string");
}
