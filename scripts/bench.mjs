// The comparisons of `bench/`: `npm run bench`, or some groups of them: `npm run bench -- cold-start data-plane`.

import { join } from "node:path";
import { npmBin, root } from "./project.mjs";
import { main, run } from "./process.mjs";
import { build } from "./build.mjs";
import { emulator } from "./setup/builds.mjs";
import { benchTools } from "./setup/bench-tools.mjs";

main(async () => {
  await build({ also: [benchTools, emulator] });
  await emulator.install();
  // In the data plane it is the server of WebSockets.
  await run("cargo", ["build", "--locked", "--package", "gce-emulator", "--release"], { cwd: root });
  await run(join(npmBin, "node"), ["bench/run.ts", ...process.argv.slice(2)], { cwd: root });
});
