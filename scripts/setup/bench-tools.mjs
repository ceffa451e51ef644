// The load generator and the origin server of `npm run bench`.

import { aptInstall } from "./apt.mjs";
import { which } from "../process.mjs";

const packages = ["wrk", "nginx-light"];

export const benchTools = {
  task: "Install wrk and nginx",
  duration: 20,
  manualCommand: () => `apt-get install ${packages.join(" ")}`,
  isInstalled: () => ["wrk", "nginx"].every((program) => which(program) !== undefined),
  install: () => aptInstall(packages),
};
