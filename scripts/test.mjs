// Runs every check in order, up to the first failure (`npm test`), or some of them
// (`npm test -- rust-tests e2e`).

import { join } from "node:path";
import { npmBin, root } from "./project.mjs";
import { Failure, main, report, run } from "./process.mjs";
import { build } from "./build.mjs";
import { checkLinks } from "./links.mjs";
import { checkMutants } from "./mutants.mjs";
import { setUp } from "./setup.mjs";
import { emulator } from "./setup/builds.mjs";
import { chromium } from "./setup/chromium.mjs";
import { googleClients } from "./setup/google-clients.mjs";

const stages = {
  format,
  clippy: () => cargo("clippy", "--workspace", "--all-targets", "--", "-D", "warnings"),
  "rust-tests": () => cargo("test", "--workspace"),
  docs: () => run("cargo", ["doc", "--workspace", "--no-deps"], { cwd: root, env: { RUSTDOCFLAGS: "-D warnings" } }),
  wasm: buildWorkers,
  "dry-run": dryRun,
  types,
  e2e,
  browser,
  clients,
  package: testPackage,
  start: () => npmProgram("node", "--test", "--test-reporter=spec", "tests/start/setup.test.mjs", "tests/start/start.test.mjs"),
};

main(async () => {
  const chosen = process.argv.slice(2);
  const unknown = chosen.find((name) => !(name in stages));
  if (unknown) throw new Failure(`no stage is named ${unknown}; there are ${Object.keys(stages).join(", ")}`);

  await setUp();
  let passed = 0;
  for (const name of chosen.length ? chosen : Object.keys(stages)) {
    console.log(`\n=== ${name}`);
    const started = Date.now();
    const error = await stages[name]().catch((error) => error);
    if (error) report(error);
    console.log(`=== ${name} ${error ? "failed" : "passed"} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
    if (error) {
      console.log(`\n${passed} passed, 1 failed`);
      return 1;
    }
    passed += 1;
  }
  console.log(`\n${passed} passed, 0 failed`);
});

async function format() {
  await cargo("fmt", "--all", "--check");
  await npmProgram("prettier", "--check", "**/*.md");
  checkLinks();
  checkMutants();
}

async function buildWorkers() {
  await build();
  await build({ crate: join(root, "examples", "own-worker") });
}

async function dryRun() {
  for (const environment of ["", "demo"]) await npmProgram("wrangler", "deploy", "--dry-run", `--env=${environment}`);
}

async function types() {
  for (const project of ["tests/e2e", "tests/browser", "tests/package"]) await npmProgram("tsc", "--noEmit", "--project", project);
}

async function e2e() {
  await build();
  await emulator.install();
  await npmProgram("vitest", "run");
}

async function browser() {
  await build({ also: [chromium] });
  await emulator.install();
  const env = { CI: "true", CHROMIUM: chromium.program() };
  await run(join(npmBin, "vitest"), ["run", "--config", "tests/browser/vitest.config.ts"], { cwd: root, env });
}

async function clients() {
  await build({ also: [googleClients] });
  await emulator.install();
  // Google's libraries warn about every Python version except the newest.
  const options = ["-W", "ignore::FutureWarning"];
  await run(googleClients.python(), [...options, "-m", "unittest", "discover", "--verbose", "--start-directory", "tests/clients"], { cwd: root });
}

async function testPackage() {
  await build();
  await emulator.install();
  await npmProgram("vitest", "run", "--config", "tests/package/vitest.config.ts");
}

function cargo(...args) {
  return run("cargo", args, { cwd: root });
}

function npmProgram(program, ...args) {
  return run(join(npmBin, program), args, { cwd: root, env: { CI: "true", WRANGLER_SEND_METRICS: "false" } });
}
