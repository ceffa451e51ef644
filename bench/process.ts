import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** The measured process has a CPU to itself if there are two; everything else shares the others. */
export type Cpu = "measured" | "others";

const canPin = availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0;

/** Starts a program on its CPU; file descriptor 3 is a readable pipe. */
export function start(cpu: Cpu, command: string, args: string[]): ChildProcess {
  const cpus = cpu === "measured" ? "0" : `1-${availableParallelism() - 1}`;
  const [program, ...all] = canPin ? ["taskset", "--cpu-list", cpus, command, ...args] : [command, ...args];
  return spawn(program!, all, { stdio: ["ignore", "pipe", "inherit", "pipe"] });
}

/** Returns the program's first line with `wanted` in it. */
export async function line(child: ChildProcess, descriptor: 1 | 3, wanted: string): Promise<string> {
  for await (const line of createInterface({ input: child.stdio[descriptor] as Readable })) {
    if (line.includes(wanted)) return line;
  }
  throw new Error(`\`${child.spawnargs.join(" ")}\` ended at once`);
}

/** Signals a program, and waits for its end. */
export async function stop(child: ChildProcess, signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "close");
  child.kill(signal);
  await ended;
}

/** Runs a program beside the measured process, and returns its output. */
export async function output(command: string, args: string[]): Promise<string> {
  const child = start("others", command, args);
  let text = "";
  child.stdout!.on("data", (piece: Buffer) => (text += piece));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`\`${command} ${args.join(" ")}\` ended with ${code}:\n${text}`);
  return text;
}
