// The comparisons of `bench/`: `npm run bench`, or some groups of them: `npm run bench -- cold-start data-plane`.

import { join } from "node:path";
import { npmBin, root } from "./project.mjs";
import { main, run } from "./process.mjs";
import { build } from "./build.mjs";
import { setUp } from "./setup.mjs";
import { benchTools } from "./setup/bench-tools.mjs";

main(async () => {
  await setUp([benchTools]);
  await build();
  // Of the cold starts, and of the data plane, where it is the server of WebSockets.
  for (const profile of [[], ["--release"]]) await run("cargo", ["build", "--package", "gce-emulator", ...profile], { cwd: root });
  await run(join(npmBin, "node"), ["bench/run.ts", ...process.argv.slice(2)], { cwd: root });
});
