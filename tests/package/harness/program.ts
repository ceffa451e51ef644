import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { packageFolder } from "./package.ts";

export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface Surroundings {
  cwd: string;
  env?: NodeJS.ProcessEnv;
}

/** Runs a program with empty standard input, and waits for its end. */
export async function run(program: string, args: string[], { cwd, env = process.env }: Surroundings): Promise<Ended> {
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const [[status], stdout, stderr] = await Promise.all([once(child, "close"), text(child.stdout), text(child.stderr)]);
  return { status: status as number | null, stdout, stderr };
}

/** Runs the package's command. */
export function vmproxy(args: string[], surroundings: Surroundings): Promise<Ended> {
  return run(process.execPath, [join(packageFolder, "vmproxy.js"), ...args], surroundings);
}
