import { readCommandLine } from "./command-line.ts";
import { checkConfiguration } from "./check/findings.ts";
import { findConfigFile, readConfigFile } from "./check/config-file.ts";
import { environmentsOf } from "./check/environment.ts";
import { Failure } from "./errors.ts";

const flags = { env: { type: "string" } } as const;

/** `vmproxy check`: reports the errors of the configuration, as the deployed Worker would. */
export async function check(args: string[]): Promise<number> {
  const { values, argument } = readCommandLine("check", args, flags);
  const file = argument ?? findConfigFile();
  const environments = environmentsOf(readConfigFile(file));
  const chosen = values.env === undefined ? environments : environments.filter(({ name }) => name === values.env);
  if (chosen.length === 0) throw new Failure(`check: ${file} has no environment "${values.env}"`);

  // Loaded here because no other command needs the Worker's code.
  const worker = await import("./worker.ts");
  let exitStatus = 0;
  for (const environment of chosen) {
    const label = environment.name === "" ? "" : `[env.${environment.name}] `;
    const findings = checkConfiguration(environment, worker.check);
    for (const { line, key, problem } of findings) console.log(`${file}:${line}: ${label}${key}: ${problem}`);
    if (findings.length === 0) console.log(`${file}: ${label}${count(environment.vms.length)}, no problem found`);
    else exitStatus = 1;
  }
  return exitStatus;
}

function count(vms: number): string {
  return vms === 1 ? "1 VM" : `${vms} VMs`;
}
