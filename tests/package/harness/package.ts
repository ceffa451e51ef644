import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../harness/root.ts";

/** The folder with the package's files. */
export const packageFolder = join(root, "dist", "package");

export const manifest = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as {
  name: string;
  version: string;
  files: string[];
  [field: string]: unknown;
};

/** The packed package. */
export const tarball = join(root, "dist", `vmproxy-${manifest.version}.tgz`);
