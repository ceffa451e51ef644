// `vmproxy check` reads a file like wrangler.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { unstable_readConfig } from "wrangler";
import { readConfigFile } from "../../npm/command/check/config-file.ts";
import { environmentsOf, inherited } from "../../npm/command/check/environment.ts";
import { root } from "../harness/root.ts";
import { test } from "./harness/test.ts";

describe("the project's own files", () => {
  test.for(["wrangler.toml", "examples/own-worker/wrangler.toml", "deploy/wrangler.toml"])("%s", (file) => {
    compare(join(root, file));
  });
});

describe("each environment gets the variables and bindings that wrangler gives it", () => {
  test.for([
    {
      what: "environments that have variables, some, or none",
      name: "wrangler.toml",
      text: `
migrations = [{ tag = "v1", new_sqlite_classes = ["VmObject"] }]
[vars]
AUTH = "token"
[[vars.VMS]]
path = "/"
[env.all.vars]
AUTH = "self_signed"
[[env.all.vars.VMS]]
path = "/all"
[[env.all.migrations]]
tag = "v2"
[env.some.vars]
QUOTA_PROJECT = "p"
[[env.some.durable_objects.bindings]]
name = "VM"
class_name = "VmObject"
[env.none]
name = "none"
`,
    },
    {
      what: "values of every kind, written in every way",
      name: "wrangler.toml",
      text: `vars.integer = 1_000
vars.hexadecimal = 0xff
vars.float = 1e3
vars.truth = true
vars.times = [1979-05-27, 1979-05-27T07:32:00Z, 1979-05-27T07:32:00, 07:32:00]
vars.beyond = [inf, nan]
vars."quoted key".'literal key' = 'C:\\x'
vars.text = """
a \\
   b "quoted" \\u00e4
"""
vars.literal = '''
\\n'''
vars.escape = "\\e"
vars.list = [1, [2, 3], { a = "b" },
  { c.d = "e" }, # comment
]
vars.table = {
  a = 1,
}
`,
    },
    { what: "Windows line breaks and a byte order mark", name: "wrangler.toml", text: '\ufeff[vars]\r\nA = """\r\nb\r\nc"""\r\n' },
    { what: "nothing", name: "wrangler.toml", text: "" },
    {
      what: "comments, trailing commas and a key that is there twice",
      name: "wrangler.jsonc",
      text: `// comment
{
  "vars": { "A": 1, "A": [1, null, "x\\u00e4"], /* comment */ },
  "env": { "b": { "vars": { "VMS": "[]", }, }, "a": {}, },
}`,
    },
    { what: "plain JSON", name: "wrangler.json", text: '\ufeff{ "vars": { "__proto__": 1, "VMS": [{ "path": "/" }] } }' },
  ])("$what ($name)", ({ name, text }, { folder }) => {
    const file = join(folder, name);
    writeFileSync(file, text);
    compare(file);
  });
});

function compare(file: string): void {
  const environments = environmentsOf(readConfigFile(file));
  const top = unstable_readConfig({ config: file, env: "" }, { hideWarnings: true });
  const names = environments.map(({ name }) => name);
  expect(names).toEqual(["", ...(top.definedEnvironments ?? [])]);
  for (const environment of environments) {
    const { name, own } = environment;
    const read = unstable_readConfig({ config: file, env: name }, { hideWarnings: true });
    const ours = {
      vars: Object.fromEntries(own.get("vars")?.entries.map(([key, { value }]) => [key, value]) ?? []),
      bindings: own.get("durable_objects")?.get("bindings")?.value ?? [],
      migrations: inherited(environment, "migrations")?.value ?? [],
    };
    // As JSON, the form in which wrangler deploys it: its dates are objects.
    const theirs = { vars: read.vars, bindings: read.durable_objects.bindings, migrations: read.migrations };
    expect(JSON.stringify(ours), name).toBe(JSON.stringify(theirs));
  }
}
