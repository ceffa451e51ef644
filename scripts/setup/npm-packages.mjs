// The packages of package-lock.json, in node_modules.

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "../project.mjs";
import { run } from "../process.mjs";

const modules = join(root, "node_modules");

export const npmPackages = {
  task: "Install the npm packages",
  duration: 15,
  byHand: () => "npm ci",

  isThere() {
    // npm writes this list last, so an interrupted installation has none.
    const list = join(modules, ".package-lock.json");
    return existsSync(list) && matches(packagesOf(join(root, "package-lock.json")), packagesOf(list));
  },

  async install() {
    // Installed aside and then renamed: two runs at once do not meddle with each other's half-written packages.
    const parent = join(root, "target", "setup");
    mkdirSync(parent, { recursive: true });
    const aside = mkdtempSync(join(parent, "npm-"));
    try {
      for (const file of ["package.json", "package-lock.json"]) copyFileSync(join(root, file), join(aside, file));
      const quiet = { stdio: ["ignore", "ignore", "inherit"] };
      await run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: aside, ...quiet });
      // Another run was faster: its packages may be in use by now.
      if (this.isThere()) return;
      if (existsSync(modules)) renameSync(modules, join(aside, "replaced"));
      renameSync(join(aside, "node_modules"), modules);
    } finally {
      rmSync(aside, { recursive: true, force: true });
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
  const isWhole = (path) => same(path) && existsSync(join(root, path));
  return Object.keys(installed).every(isWhole) && needed.every((path) => path in installed);
}
