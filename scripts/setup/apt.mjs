// Debian packages, and commands that require root.

import { run, which } from "../process.mjs";

export const hasApt = () => which("apt-get") !== undefined;

export async function aptInstall(packages) {
  const options = ["-o", "DPkg::Lock::Timeout=600", "-qq"];
  await asRoot("apt-get", [...options, "update"]);
  await asRoot("apt-get", [...options, "install", "--yes", "--no-install-recommends", ...packages]);
}

export async function asRoot(command, args) {
  const [program, ...prefix] = process.getuid() === 0 ? ["env"] : ["sudo", "-n"];
  await run(program, [...prefix, "DEBIAN_FRONTEND=noninteractive", command, ...args]);
}
