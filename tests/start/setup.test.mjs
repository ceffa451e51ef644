// The set-up: the steps, their order and their output.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Failure } from "../../scripts/process.mjs";
import { installMissing } from "../../scripts/setup/steps.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

// A fresh clone has no packages: the scripts install them.
test("no script needs a package to be read", () => {
  const scripts = readdirSync(join(root, "scripts"), { recursive: true }).filter((name) => name.endsWith(".mjs"));
  assert.ok(scripts.includes("start.mjs"));
  for (const name of scripts) {
    const text = readFileSync(join(root, "scripts", name), "utf8");
    const sources = [...text.matchAll(/^import (?:[^"]* from )?"([^"]*)"/gm)].map(([, source]) => source);
    assert.deepEqual(sources.filter((source) => !/^(\.|node:)/.test(source)), [], name);
  }
});

test("nothing is printed when nothing is missing", () => {
  const { status, stdout, stderr } = setUp(process.env.PATH);
  assert.deepEqual([status, stdout, stderr], [0, "", ""]);
});

test("without Rust, one line says how to get it", () => {
  const bin = mkdtempSync(join(tmpdir(), "vmproxy-path-"));
  try {
    symlinkSync(process.execPath, join(bin, "node"));
    const { status, stdout, stderr } = setUp(bin);
    assert.equal(status, 1);
    assert.match(stdout, /^\[1\/\d\] Install Rust \(usually 60 s\)\n$/);
    assert.match(stderr, /^\nerror: Install Rust: neither cargo nor rustup is in PATH\. .*https:\/\/sh\.rustup\.rs.*\n$/);
  } finally {
    rmSync(bin, { recursive: true });
  }
});

describe("the steps of a set-up", () => {
  test("are taken side by side, each once those that it needs are done", async () => {
    const log = [];
    const [first, second] = [fakeStep("first", { log }), fakeStep("second", { log })];
    const third = fakeStep("third", { log, after: [first, second] });
    const { printed } = await printedBy(() => installMissing([third, first, second]));
    assert.deepEqual(log, ["first begins", "second begins", "first ends", "second ends", "third begins", "third ends"]);
    assert.deepEqual(printed.map((line) => line.replace(/\d+ s$/, "… s")), [
      "[1/3] first (usually 7 s)",
      "[2/3] second (usually 7 s)",
      "[1/3] first: done in … s",
      "[2/3] second: done in … s",
      "[3/3] third (usually 7 s)",
      "[3/3] third: done in … s",
    ]);
  });

  test("are left out, and not counted, when what they install is there", async () => {
    const log = [];
    const there = fakeStep("there", { log, isInstalled: true });
    const { printed } = await printedBy(() => installMissing([there, fakeStep("missing", { log, after: [there] })]));
    assert.deepEqual(log, ["missing begins", "missing ends"]);
    assert.equal(printed[0], "[1/1] missing (usually 7 s)");
  });

  test("fail with their reason and the command that does it by hand", async () => {
    const install = () => Promise.reject(new Failure("no network"));
    const { error } = await printedBy(() => installMissing([fakeStep("packages", { install })]));
    assert.equal(error.message, "packages: no network. Do it by hand, then try again: do packages");
  });

  test("may fail when another run has done the same", async () => {
    const step = fakeStep("packages", {});
    step.install = () => {
      step.isInstalled = () => true;
      return Promise.reject(new Failure("somebody else renamed it"));
    };
    const { error } = await printedBy(() => installMissing([step]));
    assert.equal(error, undefined);
  });
});

test("the workflows pin their actions by commit", () => {
  const folder = join(root, ".github", "workflows");
  const actions = readdirSync(folder).flatMap((name) => [
    ...readFileSync(join(folder, name), "utf8").matchAll(/^\s*(?:- )?uses: (.*)$/gm),
  ]);
  assert.ok(actions.length > 0);
  for (const [, action] of actions) assert.match(action, /^[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
});

function setUp(path) {
  const env = { ...process.env, PATH: path };
  return spawnSync(process.execPath, ["scripts/setup.mjs"], { cwd: root, env, encoding: "utf8" });
}

function fakeStep(task, { log = [], after, isInstalled = false, install }) {
  const step = { task, duration: 7, after, isInstalled: () => isInstalled, manualCommand: () => `do ${task}` };
  step.install =
    install ??
    (async () => {
      log.push(`${task} begins`);
      // Lets the other steps begin.
      await new Promise((resolve) => setImmediate(resolve));
      log.push(`${task} ends`);
      step.isInstalled = () => true;
    });
  return step;
}

async function printedBy(action) {
  const printed = [];
  const { log } = console;
  console.log = (line) => printed.push(line);
  try {
    await action();
    return { printed };
  } catch (error) {
    return { printed, error };
  } finally {
    console.log = log;
  }
}
