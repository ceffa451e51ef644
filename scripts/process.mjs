// Runs other programs, none of which outlives this one.

import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { constants as os } from "node:os";
import { delimiter, join } from "node:path";
import { npmBin } from "./project.mjs";

const running = new Set();
let exiting;

// Starts a program in its own process group, so that it can be ended with all programs that it has
// started.
export function start(command, args, { env, ...options } = {}) {
  if (exiting) throw new Failure("interrupted");
  const child = spawn(command, args, {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH: [npmBin, process.env.PATH].join(delimiter), ...env },
    ...options,
    detached: true,
  });
  running.add(child);
  child.ended = new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? code));
  });
  child.ended.then(() => {
    running.delete(child);
    // The programs that it has started end with it.
    signalGroup(child, "SIGKILL");
  });
  return child;
}

// Runs a program to its end; throws if the program fails.
export async function run(command, args, options) {
  const result = await start(command, args, options).ended;
  if (result !== 0) throw new Failure(`\`${[command, ...args].join(" ")}\` ended with ${result}`);
}

// Returns a program's output, or undefined if the program fails or does not exist.
export function output(command, args, options) {
  const stdio = ["ignore", "pipe", "ignore"];
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8", stdio, ...options });
  return status === 0 ? stdout.trim() : undefined;
}

// Returns the path of a program in PATH, or undefined.
export function which(program) {
  return process.env.PATH.split(delimiter)
    .map((directory) => join(directory, program))
    .find(isExecutable);
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

// Ends a program and all programs that it has started, by force after 5 s.
export async function end(child) {
  signalGroup(child, "SIGTERM");
  await Promise.race([child.ended, pause(5000)]);
  signalGroup(child, "SIGKILL");
  await child.ended;
}

// An error whose message explains it, so no stack trace is printed.
export class Failure extends Error {}

// Runs a command's body. When the body ends, ends this process and all programs that it has
// started, with the exit code that the body returns.
export async function main(body) {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => exit(128 + os.signals[signal]));
  }
  // The reader of the output is gone.
  process.stdout.on("error", () => exit(1));
  try {
    await exit((await body()) ?? 0);
  } catch (error) {
    if (!exiting) report(error);
    await exit(1);
  }
}

export function report(error) {
  console.error(error instanceof Failure ? `\nerror: ${error.message}` : error);
}

async function exit(code) {
  exiting ??= endAll().then(() => process.exit(code));
  await exiting;
}

async function endAll() {
  await Promise.all([...running].map(end));
}

function signalGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The whole group has ended.
  }
}

export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
