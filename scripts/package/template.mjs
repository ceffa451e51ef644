// Writes `deploy/`, the project that the "Deploy to Cloudflare" button and `npm create cloudflare`
// copy, with the package's own command: `node scripts/package/template.mjs`.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "../project.mjs";
import { main, run } from "../process.mjs";
import { makePackage } from "../package.mjs";

main(async () => {
  await makePackage();
  const folder = join(root, "deploy");
  rmSync(folder, { recursive: true, force: true });
  await run("node", [join(root, "dist", "package", "vmproxy.js"), "init", "--yes", folder]);
});
