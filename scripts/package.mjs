// Makes the npm package in `dist/` (`npm run package`) or in another folder
// (`node scripts/package.mjs FOLDER`). The folder gets the files in `package/`, the packed
// `vmproxy-<version>.tgz`, and the checksums in `SHA256SUMS`.

import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./project.mjs";
import { main, run } from "./process.mjs";
import { build } from "./build.mjs";
import { writeChecksums } from "./package/checksums.mjs";
import { stage } from "./package/stage.mjs";

export async function makePackage(dist = join(root, "dist")) {
  await build();
  const folder = join(dist, "package");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { version } = await stage(folder);
  removePacked(dist);
  await run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", dist], { cwd: folder });
  const packed = `vmproxy-${version}.tgz`;
  writeChecksums(dist, ["package/index.js", "package/index_bg.wasm", packed]);
}

// Packages of other versions would look as if the checksums covered them.
function removePacked(dist) {
  for (const name of readdirSync(dist).filter((name) => name.endsWith(".tgz"))) rmSync(join(dist, name));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main(() => makePackage(process.argv[2] && resolve(process.argv[2])));
