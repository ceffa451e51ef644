// Google's own client libraries for Python, in a virtual environment that only tests/clients/ uses.

import { createHash } from "node:crypto";
import { readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "../project.mjs";
import { Failure, output, run } from "../process.mjs";
import { aptInstall, hasApt } from "./apt.mjs";

const requirements = join(root, "tests", "clients", "requirements.txt");

export const googleClients = {
  task: "Install Google's Python clients",
  duration: 30,
  byHand: () =>
    makesEnvironments()
      ? commands(folder()).map((command) => command.join(" ")).join(" && ")
      : "apt-get install python3-venv (elsewhere: Python 3.9 or newer, as `python3`, with its module venv: https://www.python.org/downloads)",
  isThere: () => output(python(), ["-c", "import importlib.metadata as m; m.version('google-cloud-compute')"]) !== undefined,
  python,

  async install() {
    if (!makesEnvironments() && hasApt()) await aptInstall(["python3-venv"]);
    if (!makesEnvironments()) throw new Failure("`python3` is not there, or older than 3.9, or without its module venv");
    // Named when it is complete: another run may make the same at the same time.
    const unnamed = `${folder()}.${process.pid}`;
    try {
      for (const [program, ...args] of commands(unnamed)) await run(program, args);
      if (this.isThere()) return;
      rmSync(folder(), { recursive: true, force: true });
      renameSync(unnamed, folder());
    } finally {
      rmSync(unnamed, { recursive: true, force: true });
    }
  },
};

function commands(environment) {
  const options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"];
  return [
    ["python3", "-m", "venv", environment],
    [pythonIn(environment), "-m", "pip", "install", ...options, "--requirement", requirements],
  ];
}

// The interpreter that has them.
function python() {
  return pythonIn(folder());
}

function pythonIn(environment) {
  return join(environment, "bin", "python");
}

// One for each version of Python, and of what is required.
function folder() {
  const version = output("python3", ["--version"]) ?? "";
  const key = createHash("sha256").update(version).update(readFileSync(requirements)).digest("hex");
  return join(root, "target", "setup", `google-clients-${key.slice(0, 16)}`);
}

// Debian leaves what a virtual environment gets its pip from out of what it calls Python.
function makesEnvironments() {
  return output("python3", ["-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))"]) !== undefined;
}
