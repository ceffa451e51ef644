import { Failure } from "../errors.ts";
import { Questions } from "./questions.ts";
import { defaults, InvalidValue, readers, type Settings } from "./settings.ts";

export const flags = {
  project: { type: "string" },
  zone: { type: "string" },
  "machine-type": { type: "string" },
  "startup-script": { type: "string" },
  name: { type: "string" },
  yes: { type: "boolean" },
} as const;

type Flags = { [Flag in Exclude<keyof typeof flags, "yes">]?: string } & { yes?: boolean };

/**
 * Returns the settings: from the flags, and all others from the user's replies or the defaults.
 */
export async function chooseSettings(given: Flags): Promise<Settings> {
  const settings = { ...defaults, ...readFlags(given) };
  const open = given.yes ? [] : asked.filter(({ flag }) => given[flag] === undefined);
  if (open.length === 0) return settings;
  if (!process.stdin.isTTY) {
    const missing = open.map(({ flag }) => `--${flag}`).join(", ");
    throw new Failure(`init: cannot ask, because standard input is not a terminal; give --yes for the defaults, or all of ${missing}`);
  }
  using questions = new Questions();
  for (const { key, question, shown } of open) {
    set(settings, key, await questions.ask(`${question} (${shown}): `, (reply) => (reply === "" ? defaults[key] : readers[key](reply))));
  }
  return settings;
}

const asked = [
  { flag: "project", key: "project", question: "Google Cloud project", shown: "the service account's own" },
  { flag: "zone", key: "zone", question: "Zone", shown: defaults.zone },
  { flag: "machine-type", key: "machineType", question: "Machine type", shown: defaults.machineType },
  { flag: "startup-script", key: "startupScript", question: "Startup script file", shown: "none: installs nginx" },
] as const;

const others = [{ flag: "name", key: "name" }] as const;

function readFlags(given: Flags): Partial<Settings> {
  const settings: Partial<Settings> = {};
  for (const { flag, key } of [...asked, ...others]) {
    const value = given[flag];
    if (value === undefined) continue;
    try {
      set(settings, key, readers[key](value));
    } catch (error) {
      if (error instanceof InvalidValue) throw new Failure(`init: --${flag}: ${error.message}`);
      throw error;
    }
  }
  return settings;
}

function set<Key extends keyof Settings>(settings: Partial<Settings>, key: Key, value: Settings[Key]): void {
  settings[key] = value;
}
