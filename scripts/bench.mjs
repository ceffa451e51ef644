// The comparisons of `bench/`: `npm run bench`.

import { join } from "node:path";
import { npmBin, root } from "./project.mjs";
import { main, run } from "./process.mjs";
import { build } from "./build.mjs";

main(async () => {
  await build();
  await run("cargo", ["build", "--package", "gce-emulator"], { cwd: root });
  await run(join(npmBin, "node"), ["bench/run.ts"], { cwd: root });
});
