#!/usr/bin/env node
// The command `vmproxy`. Its exit status is 0 after success, 1 after a failure, and 2 for a wrong
// command line.

import { CommandLineError, Failure } from "./errors.ts";
import { usage } from "./usage.ts";
import { vmproxyVersion } from "./versions.ts";

process.exitCode = await run(process.argv.slice(2)).catch(report);

async function run([command, ...args]: string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) return print(usage, []);
  switch (command) {
    case "init":
      return (await import("./init.ts")).init(args);
    case "check":
      return (await import("./check.ts")).check(args);
    case undefined:
    case "help":
    case "--help":
    case "-h":
      return print(usage, args);
    case "--version":
    case "-v":
      return print(vmproxyVersion, args);
    default:
      throw new CommandLineError(`unknown command "${command}"`);
  }
}

function print(text: string, [surplus]: string[]): number {
  if (surplus !== undefined) throw new CommandLineError(`surplus argument "${surplus}"`);
  console.log(text);
  return 0;
}

function report(error: unknown): number {
  // Any other error is a defect, which Node reports with its stack.
  if (!(error instanceof Failure)) throw error;
  const help = error instanceof CommandLineError ? `\n\n${usage}` : "";
  console.error(`vmproxy: ${error.message}${help}`);
  return error.exitStatus;
}
