// The packages of package-lock.json, in node_modules.

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "../project.mjs";
import { run } from "../process.mjs";

const modules = join(root, "node_modules");

export const npmPackages = {
  task: "Install the npm packages",
  duration: 15,
  manualCommand: () => "npm ci",

  isInstalled() {
    // npm writes this file last, so an interrupted installation has none.
    const list = join(modules, ".package-lock.json");
    return existsSync(list) && matches(packagesOf(join(root, "package-lock.json")), packagesOf(list));
  },

  async install() {
    // Installed in a temporary folder and then renamed, so that two concurrent runs do not disturb
    // each other.
    const parent = join(root, "target", "setup");
    mkdirSync(parent, { recursive: true });
    const temporary = mkdtempSync(join(parent, "npm-"));
    try {
      for (const file of ["package.json", "package-lock.json"]) copyFileSync(join(root, file), join(temporary, file));
      const quiet = { stdio: ["ignore", "ignore", "inherit"] };
      await run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: temporary, ...quiet });
      // Another run was faster, and its packages may already be in use.
      if (this.isInstalled()) return;
      if (existsSync(modules)) renameSync(modules, join(temporary, "replaced"));
      renameSync(join(temporary, "node_modules"), modules);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  },
};

function packagesOf(lockFile) {
  const { "": _project, ...packages } = JSON.parse(readFileSync(lockFile, "utf8")).packages;
  return packages;
}

function matches(locked, installed) {
  const mark = (entry) => `${entry?.version} ${entry?.integrity}`;
  const same = (path) => mark(locked[path]) === mark(installed[path]);
  // Packages for other systems are optional, and not installed.
  const needed = Object.keys(locked).filter((path) => !locked[path].optional);
  const isComplete = (path) => same(path) && existsSync(join(root, path));
  return Object.keys(installed).every(isComplete) && needed.every((path) => path in installed);
}
