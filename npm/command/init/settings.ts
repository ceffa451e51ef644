import { readFileSync } from "node:fs";

/** What a new project is made of. */
export interface Settings {
  /** The Worker's name. */
  name: string;
  /** The VM's Google Cloud project; `undefined` means the service account's own. */
  project: string | undefined;
  zone: string;
  machineType: string;
  /** The text of the startup script. */
  startupScript: string;
}

export const defaults: Settings = {
  name: "vmproxy",
  project: undefined,
  zone: "us-central1-a",
  machineType: "e2-small",
  startupScript: "#!/bin/sh\napt-get update && apt-get install --yes nginx\n",
};

/** How each setting is read from what the user gives. */
export const readers: { [Key in keyof Settings]: (given: string) => Settings[Key] } = {
  name: (given) => must(given, /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/, 'a Worker\'s name: 1 to 63 lowercase letters, digits and "-", as "my-site"'),
  project: (given) => must(given, /^([a-z0-9.-]+:)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'a project, by its ID as "my-project" or by its number'),
  zone: (given) => must(given, /^[a-z]+-[a-z]+\d+-[a-z0-9]+$/, 'a zone, as "us-central1-a"'),
  machineType: (given) => must(given, /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/, 'a machine type, as "e2-small"'),
  startupScript: readScript,
};

/** What is wrong with a value that was given. */
export class InvalidValue extends Error {}

/** The region that a zone is in. */
export function regionOf(zone: string): string {
  return zone.slice(0, zone.lastIndexOf("-"));
}

/**
 * The maximum size of a script in `VMS`: Cloudflare allows 5 KiB in a variable, and the VM's other
 * settings need a part of it.
 */
const maxScriptBytes = 4608;

function must(given: string, pattern: RegExp, rule: string): string {
  if (!pattern.test(given)) throw new InvalidValue(`"${given}" is not ${rule}`);
  return given;
}

function readScript(file: string): string {
  const script = readText(file);
  // In the variable it is JSON.
  const size = Buffer.byteLength(JSON.stringify(script));
  if (size <= maxScriptBytes) return script;
  const advice = "put it in a bucket, and set startup_script_url in wrangler.toml";
  throw new InvalidValue(`"${file}" takes ${size} bytes, and ${maxScriptBytes} fit into a variable; ${advice}`);
}

function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === "ENOENT" ? "does not exist" : code === "EISDIR" ? "is a folder" : `cannot be read (${code})`;
    throw new InvalidValue(`"${file}" ${reason}`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InvalidValue(`"${file}" is not UTF-8 text`);
  }
}
