// `vmproxy init` writes a project.

import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { type Unstable_Config as Config, unstable_readConfig } from "wrangler";
import { readConfigFile } from "../../npm/command/check/config-file.ts";
import { root } from "../harness/root.ts";
import { manifest } from "./harness/package.ts";
import { vmproxy } from "./harness/program.ts";
import { vmproxyAtTerminal } from "./harness/terminal.ts";
import { test } from "./harness/test.ts";

const files = [".dev.vars.example", ".gitignore", "README.md", "package.json", "wrangler.toml"];

describe("without questions", () => {
  test("five files, and what to do next", async ({ folder }) => {
    const { status, stdout, stderr } = await vmproxy(["init", "--yes", "my site"], { cwd: folder });

    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(readdirSync(join(folder, "my site")).sort()).toEqual(files);
    for (const step of ["cd 'my site'", "npm install", "npx vmproxy check", "npx wrangler deploy"]) expect(stdout).toContain(`\n  ${step}\n`);
  });

  test("the configuration is that of the repository, apart from the build and the demo", async ({ folder }) => {
    await vmproxy(["init", "--yes"], { cwd: folder });

    const { main: ownMain, build: ownBuild, env: _demo, ...own } = raw(root);
    const { main, build, ...written } = raw(folder);
    expect(written).toEqual(own);
    expect([ownMain, main]).toEqual(["build/index.js", "node_modules/vmproxy/index.js"]);
    expect(ownBuild).toBeDefined();
    expect(build).toBeUndefined();
    expect(readFileSync(join(folder, "wrangler.toml"), "utf8").split("\n")[0]).toBe("#:schema ./node_modules/vmproxy/wrangler.schema.json");
  });

  test("package.json has this very version of vmproxy, and the wrangler that it is tested with", async ({ folder }) => {
    await vmproxy(["init", "--yes", "--name", "my-site"], { cwd: folder });

    const { devDependencies } = json(join(root, "package.json"));
    const { name, dependencies, scripts } = json(join(folder, "package.json"));
    expect(name).toBe("my-site");
    expect(dependencies).toEqual({ vmproxy: manifest.version, wrangler: `^${(devDependencies as Record<string, string>).wrangler}` });
    expect(Object.keys(scripts as object)).toEqual(["dev", "check", "deploy"]);
  });

  test(".dev.vars.example has only the secrets that the Worker cannot do without", async ({ folder }) => {
    await vmproxy(["init", "--yes"], { cwd: folder });

    const lines = readFileSync(join(folder, ".dev.vars.example"), "utf8").split("\n");
    const names = lines.filter((line) => /^[^#]/.test(line)).map((line) => line.split("=")[0]);
    expect(names).toEqual(["GOOGLE_SERVICE_ACCOUNT_KEY", "ADMIN_TOKEN"]);
    const { cloudflare } = json(join(folder, "package.json")) as { cloudflare: { bindings: Record<string, { description: string }> } };
    expect(Object.keys(cloudflare.bindings)).toEqual(expect.arrayContaining([...names, "VMS"]));
  });

  test("each flag sets its setting", async ({ folder }) => {
    writeFileSync(join(folder, "up.sh"), "#!/bin/sh\necho up\n");
    const place = ["--project", "example.com:my-project", "--zone", "northamerica-northeast1-b"];
    const flags = ["--name", "my-site", ...place, "--machine-type", "n2-custom-4-8192"];

    // The options leave no question open.
    const { status } = await vmproxy(["init", ...flags, "--startup-script", "up.sh"], { cwd: folder });

    expect(status).toBe(0);
    const { name, placement } = read(folder);
    expect({ name, placement }).toEqual({ name: "my-site", placement: { region: "gcp:northamerica-northeast1" } });
    expect(instance(folder)).toEqual({
      name: "backend",
      project: "example.com:my-project",
      zone: "northamerica-northeast1-b",
      machine_type: "n2-custom-4-8192",
      startup_script: "#!/bin/sh\necho up\n",
    });
    expect(readFileSync(join(folder, "README.md"), "utf8")).toContain("\n   PROJECT=example.com:my-project\n");
    expect((await vmproxy(["check"], { cwd: folder })).stdout).toBe("wrangler.toml: 1 VM, no problem found\n");
  });
});

test("deploy/ is what the command writes", async ({ folder }) => {
  await vmproxy(["init", "--yes"], { cwd: folder });

  const advice = "to write it anew: node scripts/package/template.mjs";
  expect(readdirSync(join(root, "deploy")).filter((name) => files.includes(name)).sort(), advice).toEqual(files);
  for (const name of files) expect(readFileSync(join(root, "deploy", name), "utf8"), advice).toBe(readFileSync(join(folder, name), "utf8"));
});

describe("a startup script arrives as it is", () => {
  test.for<{ what: string; script: string; has?: string }>([
    { what: "quotes and backslashes", script: `echo "it's" \\\n  "C:\\temp" \\u0041 '' ""\n`, has: "'''\necho" },
    { what: "nothing to escape", script: 'echo "a"\n', has: '"""\necho "a"\n"""' },
    { what: "three quotes of one kind", script: "a = '''b'''\nc = \\d\n", has: String.raw`c = \\d` },
    { what: "three quotes of both kinds", script: `'''"""\n""""""` },
    { what: "a quote last", script: 'echo "a"' },
    { what: "quotes last", script: `\\ ''"` },
    { what: "a backslash last", script: "a\\" },
    { what: "a backslash at the end of a line", script: 'a """ \\\n   b\\n\n' },
    { what: "the end of its own string", script: '"""\n[vars]\nAUTH = "x"\n' },
    { what: "an empty line first", script: "\n\n#!/bin/sh\n" },
    { what: "Windows line breaks", script: "@echo off\r\necho a\r\n" },
    { what: "a lone carriage return", script: "a\rb\n" },
    { what: "control characters", script: "\0\x01\x1b[0m\x7f\t\u0085\u2028\ufeff\n" },
    { what: "letters of the world", script: "echo Grüße 你好 🚀\n" },
    { what: "a placeholder of the template", script: "echo {{name}} {{zone_toml}} $& $1\n" },
    { what: "nothing", script: "" },
  ])("$what", async ({ script, has }, { folder }) => {
    writeFileSync(join(folder, "script"), script);

    const { status, stderr } = await vmproxy(["init", "--yes", "--startup-script", "script"], { cwd: folder });

    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(instance(folder).startup_script).toBe(script);
    if (has !== undefined) expect(readFileSync(join(folder, "wrangler.toml"), "utf8")).toContain(has);
    expect((await vmproxy(["check"], { cwd: folder })).stdout).toBe("wrangler.toml: 1 VM, no problem found\n");
  });

  test("the longest that is accepted fits into the variable", async ({ folder }) => {
    const longest = 4608 - '""'.length;
    const flags = ["--yes", "--project", "p".repeat(63), "--zone", `northamerica-northeast${"1".repeat(20)}-a`, "--machine-type", "m".repeat(63)];
    writeFileSync(join(folder, "script"), "x".repeat(longest));
    expect((await vmproxy(["init", ...flags, "--startup-script", "script"], { cwd: folder })).status).toBe(0);
    expect((await vmproxy(["check"], { cwd: folder })).stdout).toBe("wrangler.toml: 1 VM, no problem found\n");

    writeFileSync(join(folder, "script"), "x".repeat(longest + 1));
    const { status, stderr } = await vmproxy(["init", ...flags, "--startup-script", "script", "other"], { cwd: folder });
    expect(status).toBe(1);
    expect(stderr).toMatch(/"script" takes 4609 bytes, and 4608 fit into a variable; .*startup_script_url/);
  });
});

describe("a value that cannot be", () => {
  test.for([
    { flag: "--project", value: "My Project", says: '"My Project" is not a project' },
    { flag: "--project", value: 'p"\n[vars]', says: "is not a project" },
    { flag: "--zone", value: "us-central1", says: '"us-central1" is not a zone, as "us-central1-a"' },
    { flag: "--zone", value: "us_central1-a", says: "is not a zone" },
    { flag: "--machine-type", value: "zones/a/x", says: "is not a machine type" },
    { flag: "--name", value: "My Site", says: "is not a Worker's name" },
    { flag: "--name", value: "", says: "is not a Worker's name" },
    { flag: "--startup-script", value: "none.sh", says: '"none.sh" does not exist' },
    { flag: "--startup-script", value: ".", says: '"." is a folder' },
    { flag: "--startup-script", value: "binary", says: '"binary" is not UTF-8 text' },
  ])("$flag $value", async ({ flag, value, says }, { folder }) => {
    writeFileSync(join(folder, "binary"), Buffer.from([0xff, 0xfe]));

    const { status, stdout, stderr } = await vmproxy(["init", "--yes", flag, value], { cwd: folder });

    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain(`vmproxy: init: ${flag}: `);
    expect(stderr).toContain(says);
    expect(readdirSync(folder)).toEqual(["binary"]);
  });
});

describe("nothing is overwritten", () => {
  test("all files that exist are named", async ({ folder }) => {
    mkdirSync(join(folder, "site"));
    writeFileSync(join(folder, "site", "package.json"), "mine");
    symlinkSync("nowhere", join(folder, "site", ".gitignore"));

    const { status, stdout, stderr } = await vmproxy(["init", "--yes", "site"], { cwd: folder });

    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toBe("vmproxy: init: nothing written, because these files exist already: site/package.json, site/.gitignore\n");
    expect(readdirSync(join(folder, "site")).sort()).toEqual([".gitignore", "package.json"]);
    expect(readFileSync(join(folder, "site", "package.json"), "utf8")).toBe("mine");
  });

  test("other files may be there", async ({ folder }) => {
    writeFileSync(join(folder, "index.html"), "mine");

    expect((await vmproxy(["init", "--yes"], { cwd: folder })).status).toBe(0);
    expect(readdirSync(folder).sort()).toEqual([...files, "index.html"].sort());
  });

  test("a file in the place of the folder", async ({ folder }) => {
    writeFileSync(join(folder, "site"), "mine");

    const { status, stderr } = await vmproxy(["init", "--yes", "site"], { cwd: folder });

    expect(status).toBe(1);
    expect(stderr).toMatch(/^vmproxy: init: ENOTDIR: .*site'\n$/);
  });
});

describe("questions", () => {
  const enter = "\r";

  test("replies are settings, Enter is the default", async ({ folder }) => {
    writeFileSync(join(folder, "up.sh"), "echo up\n");

    const { status, shown } = await vmproxyAtTerminal(["init"], folder, [
      ["Google Cloud project (the service account's own)", `my-project${enter}`],
      ["Zone (us-central1-a)", `europe-west1-b${enter}`],
      ["Machine type (e2-small)", enter],
      ["Startup script file (none: installs nginx)", `up.sh${enter}`],
    ]);

    expect(status, shown).toBe(0);
    expect(instance(folder)).toMatchObject({
      project: "my-project",
      zone: "europe-west1-b",
      machine_type: "e2-small",
      startup_script: "echo up\n",
    });
  });

  test("what a flag sets is not asked, what cannot be is asked again", async ({ folder }) => {
    const { status, shown } = await vmproxyAtTerminal(["init", "--project", "p", "--machine-type", "e2-micro"], folder, [
      ["Zone (us-central1-a)", `Zurich${enter}`],
      ["Zone (us-central1-a)", `europe-west6-a${enter}`],
      ["Startup script file (none: installs nginx)", `none.sh${enter}`],
      ["Startup script file (none: installs nginx)", enter],
    ]);

    expect(status, shown).toBe(0);
    expect(shown).toContain('"Zurich" is not a zone, as "us-central1-a"');
    expect(shown).toContain('"none.sh" does not exist');
    expect(shown).not.toContain("Machine type");
    expect(read(folder).placement).toEqual({ region: "gcp:europe-west6" });
  });

  test.for([
    ["Ctrl-C", "\x03"],
    ["Ctrl-D", "\x04"],
  ] as const)("%s: nothing is written", async ([, key], { folder }) => {
    const { status, shown } = await vmproxyAtTerminal(["init"], folder, [
      ["Google Cloud project (the service account's own)", enter],
      ["Zone (us-central1-a)", key],
    ]);

    expect(status).toBe(1);
    expect(shown).toContain("vmproxy: init: interrupted, nothing written");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("without a terminal: what to give instead", async ({ folder }) => {
    const { status, stderr } = await vmproxy(["init", "--zone", "us-east1-b"], { cwd: folder });

    expect(status).toBe(1);
    expect(stderr).toBe(
      "vmproxy: init: cannot ask, because standard input is not a terminal; " +
        "give --yes for the defaults, or all of --project, --machine-type, --startup-script\n",
    );
    expect(readdirSync(folder)).toEqual([]);
  });
});

/** Reads the file as wrangler does. */
function read(folder: string): Config {
  return unstable_readConfig({ config: join(folder, "wrangler.toml") }, { hideWarnings: true });
}

/** Returns the instance of the only VM. */
function instance(folder: string): Record<string, unknown> {
  const [vm] = read(folder).vars.VMS as unknown as [{ instance: Record<string, unknown> }];
  return vm.instance;
}

/** Returns the parsed file, without the defaults that wrangler adds. */
function raw(folder: string): Record<string, unknown> {
  return readConfigFile(join(folder, "wrangler.toml")).value as Record<string, unknown>;
}

function json(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
}
