// The contents of the package.

import { cpSync, readFileSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { root } from "../harness/root.ts";
import { manifest, packageFolder, tarball } from "./harness/package.ts";
import { run } from "./harness/program.ts";
import { test } from "./harness/test.ts";

test("the files, and no other", async ({ folder }) => {
  const { stdout } = await run("tar", ["-tzf", tarball], { cwd: folder });
  expect(stdout.trimEnd().split("\n").sort()).toEqual(
    [
      "LICENSE",
      "README.md",
      "THIRD-PARTY-NOTICES",
      "index.js",
      "index_bg.wasm",
      "package.json",
      "template/README.md",
      "template/dev.vars.example",
      "template/gitignore",
      "template/package.json",
      "template/wrangler.toml",
      "vmproxy.js",
      "worker.js",
      "wrangler.schema.json",
    ].map((name) => `package/${name}`),
  );
});

test("the Worker is the one that was built", () => {
  for (const name of ["index.js", "index_bg.wasm"]) {
    expect(readFileSync(join(packageFolder, name)).equals(readFileSync(join(root, "build", name))), name).toBe(true);
  }
});

test("it depends on nothing, and runs nothing when it is installed", () => {
  const { name, license, type, bin, engines, ...rest } = manifest;
  expect({ name, license, type, bin, engines }).toEqual({
    name: "vmproxy",
    license: "Apache-2.0",
    type: "module",
    bin: { vmproxy: "vmproxy.js" },
    engines: { node: ">=22" },
  });
  for (const field of Object.keys(rest)) expect(field).not.toMatch(/dependencies|scripts/i);
  for (const file of ["vmproxy.js", "worker.js"]) {
    const imports = readFileSync(join(packageFolder, file), "utf8").matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["']([^"'\n]+)["']/g);
    const others = [...imports].map(([, source]) => source).filter((source) => !source?.startsWith("node:"));
    expect(others, file).toEqual(file === "vmproxy.js" ? ["./worker.js"] : []);
  }
});

test("the check is made by the WebAssembly of the package, which nothing else loads", async ({ folder }) => {
  const copy = join(folder, "package");
  cpSync(packageFolder, copy, { recursive: true });
  rmSync(join(copy, "index_bg.wasm"));
  const command = (...args: string[]) => run(process.execPath, [join(copy, "vmproxy.js"), ...args], { cwd: folder });

  expect((await command("--version")).status).toBe(0);
  expect((await command("init", "--yes")).status).toBe(0);
  const { status, stdout, stderr } = await command("check");
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toContain(join(copy, "index_bg.wasm"));
});

test("the command is small", () => {
  expect(statSync(join(packageFolder, "vmproxy.js")).size).toBeLessThan(200 * 1024);
});

test("no file names a folder of the machine that it was made on", () => {
  for (const name of ["index.js", "index_bg.wasm", "vmproxy.js", "worker.js", "THIRD-PARTY-NOTICES"]) {
    const content = readFileSync(join(packageFolder, name));
    for (const folder of [root, join(homedir(), ".cargo")]) expect(content.includes(folder), name).toBe(false);
  }
});

test("two packages from the same source are the same, byte by byte", async ({ folder }) => {
  const { status, stderr } = await run(process.execPath, ["scripts/package.mjs", folder], { cwd: root });

  expect(status, stderr).toBe(0);
  const sums = readFileSync(join(folder, "SHA256SUMS"), "utf8");
  expect(sums).toBe(readFileSync(join(root, "dist", "SHA256SUMS"), "utf8"));
  expect(sums.trimEnd().split("\n").map((line) => line.split("  ")[1])).toEqual([
    "package/index.js",
    "package/index_bg.wasm",
    `vmproxy-${manifest.version}.tgz`,
  ]);
  expect((await run("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: folder })).status).toBe(0);
});
