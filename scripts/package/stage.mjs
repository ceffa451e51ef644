// The files of the npm package.

import { chmodSync, copyFileSync, cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../project.mjs";
import { Failure } from "../process.mjs";
import { bundleCommand } from "./command.mjs";
import { notices } from "./notices.mjs";

// The sources of the files that are copied unchanged.
const copied = {
  "index.js": "build/index.js",
  "index_bg.wasm": "build/index_bg.wasm",
  "wrangler.schema.json": "schema/wrangler.schema.json",
  "README.md": "npm/README.md",
  LICENSE: "LICENSE",
};

// Writes the package to an empty folder, and returns its package.json. The Worker must be built
// already.
export async function stage(folder) {
  const manifest = manifestOfPackage();
  for (const [name, source] of Object.entries(copied)) copyFileSync(join(root, source), join(folder, name));
  cpSync(join(root, "npm", "template"), join(folder, "template"), { recursive: true });
  const libraries = await bundleCommand(folder, manifest.version);
  writeFileSync(join(folder, "THIRD-PARTY-NOTICES"), notices(libraries));
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  chmodSync(join(folder, manifest.bin.vmproxy), 0o755);
  return manifest;
}

function manifestOfPackage() {
  const { name, version, description, license, repository } = projectManifest();
  const crates = /^\[workspace\.package\]\nversion = "(.*)"$/m.exec(readFileSync(join(root, "Cargo.toml"), "utf8"))?.[1];
  if (version !== crates) throw new Failure(`package.json has the version ${version}, but Cargo.toml has ${crates}`);
  return {
    name,
    version,
    description,
    keywords: ["cloudflare-workers", "compute-engine", "scale-to-zero", "proxy"],
    license,
    ...(repository ? { repository } : {}),
    type: "module",
    main: "index.js",
    exports: { ".": "./index.js", "./wrangler.schema.json": "./wrangler.schema.json", "./package.json": "./package.json" },
    bin: { vmproxy: "vmproxy.js" },
    files: [...Object.keys(copied), "THIRD-PARTY-NOTICES", "template", "vmproxy.js", "worker.js"],
    engines: { node: ">=22" },
  };
}

function projectManifest() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}
