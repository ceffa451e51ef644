// The command's messages for wrong arguments.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { manifest } from "./harness/package.ts";
import { vmproxy } from "./harness/program.ts";
import { test } from "./harness/test.ts";

const right = `
[[durable_objects.bindings]]
name = "VM"
class_name = "VmObject"
[[migrations]]
new_sqlite_classes = ["VmObject"]
[[vars.VMS]]
path = "/"
instance = { name = "backend", zone = "us-central1-a" }
`;

describe("a command line that is wrong", () => {
  test.for([
    { args: ["deploy"], says: 'vmproxy: unknown command "deploy"' },
    { args: ["help", "check"], says: 'vmproxy: surplus argument "check"' },
    { args: ["--version", "now"], says: 'vmproxy: surplus argument "now"' },
    { args: ["check", "--fix"], says: "vmproxy: check: unknown option '--fix'" },
    { args: ["check", "a.toml", "b.toml"], says: 'vmproxy: check: surplus argument "b.toml"' },
    { args: ["init", "--force"], says: "vmproxy: init: unknown option '--force'" },
    { args: ["init", "a", "b"], says: 'vmproxy: init: surplus argument "b"' },
    { args: ["init", "--zone"], says: "vmproxy: init: option '--zone <value>' argument missing" },
    { args: ["init", "--yes=1"], says: "vmproxy: init: option '--yes' does not take an argument" },
  ])("$args: the reason, the usage, and status 2", async ({ args, says }, { folder }) => {
    const { status, stdout, stderr } = await vmproxy(args, { cwd: folder });

    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr.split("\n").slice(0, 3)).toEqual([says, "", "Usage:"]);
  });
});

test.for([[], ["help"], ["--help"], ["-h"], ["init", "--help"], ["check", "none.toml", "-h"]])("%s: the usage", async (args, { folder }) => {
  const { status, stdout, stderr } = await vmproxy(args, { cwd: folder });

  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(/^Usage:\n {2}vmproxy init \[folder\]/);
  for (const flag of ["project", "zone", "machine-type", "startup-script", "name", "yes", "env"]) expect(stdout).toContain(` --${flag} `);
});

test("--version", async ({ folder }) => {
  expect(await vmproxy(["--version"], { cwd: folder })).toEqual({ status: 0, stdout: `${manifest.version}\n`, stderr: "" });
});

describe("a file that cannot be checked", () => {
  test.for([
    { file: "none.toml", says: '"none.toml" does not exist' },
    { file: "folder.toml", says: '"folder.toml" is a folder' },
    { file: "notes.txt", says: '"notes.txt" is not named as wrangler reads it: .toml, .json or .jsonc' },
    { file: "broken.toml", content: 'name = "a"\nmain == "b"\n', says: "broken.toml:2:7: " },
    { file: "twice.toml", content: 'name = "a"\nname = "b"\n', says: "twice.toml:2:1: " },
    { file: "date.toml", content: 'name = "a"\ndate = 1979-02-30\n', says: "date.toml:2:17: Unexpected invalid date" },
    { file: "broken.jsonc", content: '{\n  "name" "a"\n}\n', says: "broken.jsonc:2:10: Colon expected" },
    { file: "broken.json", content: '\ufeff{ "name": "a" ]', says: "broken.json:1:15: " },
    { file: "empty.jsonc", content: "", says: "empty.jsonc:1:1: Value expected" },
    { file: "list.jsonc", content: "[]", says: "list.jsonc:1:1: Not a JSON object" },
  ])("$file", async ({ file, content, says }, { folder }) => {
    mkdirSync(join(folder, "folder.toml"));
    writeFileSync(join(folder, "notes.txt"), "");
    if (content !== undefined) writeFileSync(join(folder, file), content);

    const { status, stdout, stderr } = await vmproxy(["check", file], { cwd: folder });

    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain(`vmproxy: check: ${says}`);
    expect(stderr.trimEnd().split("\n").length).toBe(1);
  });

  test("no file at all", async ({ folder }) => {
    const { status, stderr } = await vmproxy(["check"], { cwd: folder });

    expect(status).toBe(1);
    expect(stderr).toBe(
      "vmproxy: check: found no wrangler.json, wrangler.jsonc, wrangler.toml here or in a folder above; `vmproxy init` writes one\n",
    );
  });
});

describe("the file that is checked", () => {
  test("is that of the nearest folder above, under its name from here", async ({ folder }) => {
    const inner = join(folder, "src", "deep");
    mkdirSync(inner, { recursive: true });
    writeFileSync(join(folder, "wrangler.toml"), right);

    expect((await vmproxy(["check"], { cwd: inner })).stdout).toBe("../../wrangler.toml: 1 VM, no problem found\n");
  });

  test("is wrangler.json before wrangler.jsonc before wrangler.toml", async ({ folder }) => {
    for (const name of ["wrangler.toml", "wrangler.jsonc", "wrangler.json"]) {
      writeFileSync(join(folder, name), name.endsWith("toml") ? right : "{}");
      expect((await vmproxy(["check"], { cwd: folder })).stdout).toContain(`${name}:`);
    }
  });
});

describe("--env", () => {
  const toml = `${right}[env.staging]\n[env.production]\n`;

  test("checks one environment", async ({ folder }) => {
    writeFileSync(join(folder, "wrangler.toml"), toml);

    const { status, stdout } = await vmproxy(["check", "--env", "production"], { cwd: folder });

    expect(status).toBe(1);
    expect(stdout).toMatch(/^(wrangler\.toml:11: \[env\.production\] .*\n){2}$/);
  });

  test("checks the top level when it is empty", async ({ folder }) => {
    writeFileSync(join(folder, "wrangler.toml"), toml);

    expect(await vmproxy(["check", "--env", ""], { cwd: folder })).toMatchObject({ status: 0, stdout: "wrangler.toml: 1 VM, no problem found\n" });
  });

  test("must name one that exists", async ({ folder }) => {
    writeFileSync(join(folder, "wrangler.toml"), toml);

    const { status, stderr } = await vmproxy(["check", "--env", "prod"], { cwd: folder });

    expect({ status, stderr }).toEqual({ status: 1, stderr: 'vmproxy: check: wrangler.toml has no environment "prod"\n' });
  });
});
