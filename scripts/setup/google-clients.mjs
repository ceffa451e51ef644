// Google's client libraries for Python, in a virtual environment for tests/clients/.

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
  manualCommand: () =>
    canMakeEnvironments()
      ? commands(folder()).map((command) => command.join(" ")).join(" && ")
      : "apt-get install python3-venv (elsewhere: Python 3.9 or newer, as `python3`, with its module venv: https://www.python.org/downloads)",
  isInstalled: () => output(python(), ["-c", "import importlib.metadata as m; m.version('google-cloud-compute')"]) !== undefined,
  python,

  async install() {
    if (!canMakeEnvironments() && hasApt()) await aptInstall(["python3-venv"]);
    if (!canMakeEnvironments()) throw new Failure("`python3` is missing, or older than 3.9, or has no module venv");
    // Renamed when it is complete: another run may create the same environment at the same time.
    const temporary = `${folder()}.${process.pid}`;
    try {
      for (const [program, ...args] of commands(temporary)) await run(program, args);
      if (this.isInstalled()) return;
      rmSync(folder(), { recursive: true, force: true });
      renameSync(temporary, folder());
    } finally {
      rmSync(temporary, { recursive: true, force: true });
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

// Returns the path of the interpreter that has these libraries.
function python() {
  return pythonIn(folder());
}

function pythonIn(environment) {
  return join(environment, "bin", "python");
}

// Returns the folder of the environment: one for each version of Python and of the requirements.
function folder() {
  const version = output("python3", ["--version"]) ?? "";
  const key = createHash("sha256").update(version).update(readFileSync(requirements)).digest("hex");
  return join(root, "target", "setup", `google-clients-${key.slice(0, 16)}`);
}

// Debian's Python package lacks `ensurepip`, from which a virtual environment gets its pip.
function canMakeEnvironments() {
  return output("python3", ["-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))"]) !== undefined;
}
