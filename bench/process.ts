import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** What is measured has a CPU to itself, if there are two; everything else shares the other ones. */
export type Cpu = "measured" | "others";

const canPin = availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0;

/** Starts a program on its CPU; file descriptor 3 is a pipe that can be read. */
export function start(cpu: Cpu, command: string, args: string[]): ChildProcess {
  const cpus = cpu === "measured" ? "0" : `1-${availableParallelism() - 1}`;
  const [program, ...all] = canPin ? ["taskset", "--cpu-list", cpus, command, ...args] : [command, ...args];
  return spawn(program!, all, { stdio: ["ignore", "pipe", "inherit", "pipe"] });
}

/** The first line with `wanted` in it that the program writes there. */
export async function line(child: ChildProcess, descriptor: 1 | 3, wanted: string): Promise<string> {
  for await (const line of createInterface({ input: child.stdio[descriptor] as Readable })) {
    if (line.includes(wanted)) return line;
  }
  throw new Error(`\`${child.spawnargs.join(" ")}\` ended at once`);
}

/** Ends a program, which may have something to do before. */
export async function stop(child: ChildProcess, signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "close");
  child.kill(signal);
  await ended;
}

/** Runs a program beside what is measured, and returns what it prints. */
export async function output(command: string, args: string[]): Promise<string> {
  const child = start("others", command, args);
  let text = "";
  child.stdout!.on("data", (piece: Buffer) => (text += piece));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`\`${command} ${args.join(" ")}\` ended with ${code}:\n${text}`);
  return text;
}
