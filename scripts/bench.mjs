// Runs the benchmarks of `bench/`: all (`npm run bench`) or some groups
// (`npm run bench -- cold-start data-plane`).

import { join } from "node:path";
import { npmBin, root } from "./project.mjs";
import { main, run } from "./process.mjs";
import { build } from "./build.mjs";
import { emulator } from "./setup/builds.mjs";
import { benchTools } from "./setup/bench-tools.mjs";

main(async () => {
  await build({ also: [benchTools, emulator] });
  await emulator.install();
  // The data-plane benchmarks use it as the WebSocket server.
  await run("cargo", ["build", "--locked", "--package", "gce-emulator", "--release"], { cwd: root });
  await run(join(npmBin, "node"), ["bench/run.ts", ...process.argv.slice(2)], { cwd: root });
});
