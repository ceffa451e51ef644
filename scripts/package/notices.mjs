// The licences of the bundled libraries, which require that they are distributed with the bundle.

import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { root } from "../project.mjs";
import { Failure } from "../process.mjs";

export function notices(libraries) {
  const texts = libraries.map((library) => notice(resolve(root, library)));
  return ["vmproxy.js contains these libraries.\n", ...texts].join(`\n${"-".repeat(80)}\n\n`);
}

function notice(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined) throw new Failure(`${name} has no licence file`);
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
}
