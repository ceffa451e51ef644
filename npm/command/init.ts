import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { readCommandLine } from "./command-line.ts";
import { Failure } from "./errors.ts";
import { chooseSettings, flags } from "./init/choose.ts";
import { fileNames, projectFiles } from "./init/project.ts";

/** `vmproxy init`: writes a project that wrangler deploys. */
export async function init(args: string[]): Promise<number> {
  const { values, argument: folder = "." } = readCommandLine("init", args, flags);
  refuseToOverwrite(folder);
  const settings = await chooseSettings(values);
  write(folder, projectFiles(settings));
  console.log(nextSteps(folder));
  return 0;
}

function refuseToOverwrite(folder: string): void {
  const entries = entriesOf(folder);
  const existing = fileNames.filter((name) => entries.includes(name)).map((name) => join(folder, name));
  if (existing.length === 0) return;
  throw new Failure(`init: nothing written, because these files exist already: ${existing.join(", ")}`);
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    throw new Failure(`init: ${message}`);
  }
}

function write(folder: string, files: [name: string, content: string][]): void {
  try {
    mkdirSync(folder, { recursive: true });
    // Fails if another process has written such a file in the meantime.
    for (const [name, content] of files) writeFileSync(join(folder, name), content, { flag: "wx" });
  } catch (error) {
    throw new Failure(`init: ${(error as Error).message}`);
  }
}

function nextSteps(folder: string): string {
  const path = relative("", folder);
  const commands = [
    ...(path ? [`cd ${/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`}`] : []),
    "npm install",
    "npx vmproxy check",
    "npx wrangler deploy",
    "npx wrangler secret put GOOGLE_SERVICE_ACCOUNT_KEY < key.json",
    "npx wrangler secret put ADMIN_TOKEN",
  ];
  const written = fileNames.map((name) => `  ${join(folder, name)}`);
  const steps = commands.map((command) => `  ${command}`);
  return [
    "Written:",
    ...written,
    "",
    "Next, edit wrangler.toml as you like, and:",
    ...steps,
    "",
    "README.md says how to get key.json.",
  ].join("\n");
}
