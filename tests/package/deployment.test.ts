// The findings of `vmproxy check` beyond the Worker's own errors, with their lines.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { vmproxy } from "./harness/program.ts";
import { test } from "./harness/test.ts";

const binding = '[[durable_objects.bindings]]\nname = "VM"\nclass_name = "VmObject"\n';
const migration = '[[migrations]]\ntag = "v1"\nnew_sqlite_classes = ["VmObject"]\n';
const vm = '[[vars.VMS]]\npath = "/"\n[vars.VMS.instance]\nname = "backend"\nzone = "us-central1-a"\n';
const ofStaging = (text: string) => text.replaceAll("[vars", "[env.staging.vars").replaceAll("[durable", "[env.staging.durable");

const noBinding = 'durable_objects.bindings: has no binding named "VM" of the class "VmObject": each VM needs a Durable Object';
const noMigration =
  'migrations: no migration has new_sqlite_classes = ["VmObject"]: without it the Durable Objects are not created';

describe("wrangler.toml", () => {
  test.for<{ what: string; toml: string; says: string[] }>([
    { what: "all that is needed", toml: binding + migration + vm, says: ["wrangler.toml: 1 VM, no problem found"] },
    {
      what: "two VMs",
      toml: `${binding}${migration}${vm}${vm.replace('"/"', '"/b"').replace("backend", "b")}`,
      says: ["wrangler.toml: 2 VMs, no problem found"],
    },
    {
      what: "VMS as the JSON of an array",
      toml: `${binding}${migration}[vars]\nVMS = '[{"path": "/", "instance": {"name": "a", "zone": "b"}}]'\n`,
      says: ["wrangler.toml: 1 VM, no problem found"],
    },
    {
      what: "a mistake in VMS as the JSON of an array",
      toml: `${binding}${migration}[vars]\nAUTH = "token"\nVMS = '[{"path": "/", "port": 0}]'\n`,
      says: ["wrangler.toml:9: VMS[0].port: 0 is not a port: 1 to 65535"],
    },
    {
      what: "nothing",
      toml: "",
      says: [
        "wrangler.toml:1: VMS: is missing: at least one [[vars.VMS]] is needed",
        `wrangler.toml:1: ${noBinding}`,
      ],
    },
    {
      what: "no migration",
      toml: binding + vm,
      says: [`wrangler.toml:1: ${noMigration}`],
    },
    {
      what: "a migration of another class",
      toml: binding + migration.replace("VmObject", "Other") + vm,
      says: [`wrangler.toml:4: ${noMigration}`],
    },
    {
      what: "a migration without SQLite",
      toml: binding + migration.replace("new_sqlite_classes", "new_classes") + vm,
      says: ['wrangler.toml:6: migrations.new_classes: "VmObject" keeps its state in SQLite: move it to new_sqlite_classes'],
    },
    {
      what: "a class that was renamed",
      toml: `${binding}${migration.replace("VmObject", "Old")}[[migrations]]\ntag = "v2"\nrenamed_classes = [{ from = "Old", to = "VmObject" }]\n${vm}`,
      says: ["wrangler.toml: 1 VM, no problem found"],
    },
    {
      what: "the objects of another Worker",
      toml: `${binding}script_name = "other"\n${vm}`,
      says: ["wrangler.toml: 1 VM, no problem found"],
    },
    {
      what: "a class that is declared as an export",
      toml: `${binding}[exports.VmObject]\ntype = "durable-object"\nstorage = "sqlite"\n${vm}`,
      says: ["wrangler.toml: 1 VM, no problem found"],
    },
    {
      what: "a binding of another name",
      toml: binding.replace('"VM"', '"OBJECT"') + migration + vm,
      says: [`wrangler.toml:1: ${noBinding}`],
    },
    {
      what: "a binding of another class",
      toml: binding.replace("VmObject", "Vm") + migration + vm,
      says: ['wrangler.toml:3: durable_objects.bindings.VM.class_name: "Vm" is not "VmObject"'],
    },
    {
      what: "an environment that inherits neither variables nor bindings",
      toml: `${binding}${migration}${vm}[env.staging]\nname = "staging"\n`,
      says: [
        "wrangler.toml: 1 VM, no problem found",
        "wrangler.toml:12: [env.staging] VMS: is missing: at least one [[vars.VMS]] is needed",
        `wrangler.toml:12: [env.staging] ${noBinding}`,
      ],
    },
    {
      what: "an environment that inherits migrations",
      toml: migration + ofStaging(binding + vm) + binding + vm,
      says: ["wrangler.toml: 1 VM, no problem found", "wrangler.toml: [env.staging] 1 VM, no problem found"],
    },
    {
      what: "an environment with migrations of its own",
      toml: `${migration}${ofStaging(binding + vm)}[[env.staging.migrations]]\ntag = "v1"\n${binding}${vm}`,
      says: [
        "wrangler.toml: 1 VM, no problem found",
        `wrangler.toml:12: [env.staging] ${noMigration}`,
      ],
    },
    {
      what: "a network that is bound",
      toml: `${binding}${migration}${vm}address = "internal"\n[[vpc_networks]]\nbinding = "NET"\n`.replace(
        "[vars.VMS.instance]",
        'vpc = "NET"\n$&',
      ),
      says: ["wrangler.toml: 1 VM, no problem found"],
    },
    {
      what: "a network that only another environment has",
      toml: `${binding}${migration}${vm}address = "internal"\n[[env.staging.vpc_networks]]\nbinding = "NET"\n${ofStaging(binding + vm)}`.replace(
        "[vars.VMS.instance]",
        'vpc = "NET"\n$&',
      ),
      says: [
        'wrangler.toml:9: VMS[0].vpc: the Worker has no binding "NET" with a fetch()',
        "wrangler.toml: [env.staging] 1 VM, no problem found",
      ],
    },
    {
      what: "a key in a Secrets Store",
      toml: `${binding}${migration}[[secrets_store_secrets]]\nbinding = "GOOGLE_SERVICE_ACCOUNT_KEY"\n${vm}`,
      says: ["wrangler.toml: 1 VM, no problem found"],
    },
    {
      what: "a wake secret in a Secrets Store",
      toml: `${binding}${migration}[[secrets_store_secrets]]\nbinding = "WAKE"\n${vm}`.replace("[vars.VMS.instance]", 'wake.secret = "WAKE"\n$&'),
      says: ['wrangler.toml:11: VMS[0].wake.secret: the Worker has no secret of its own named "WAKE"'],
    },
    {
      what: "a script that fills the variable",
      toml: binding + migration + vm + scriptOf(5120),
      says: ["wrangler.toml: 1 VM, no problem found"],
    },
    {
      what: "a script that does not fit",
      toml: binding + migration + vm + scriptOf(5121),
      says: [
        "wrangler.toml:7: VMS: takes 5121 bytes, and Cloudflare allows 5120 (5 KB) in a variable; put a long script in a bucket, and set startup_script_url",
      ],
    },
    {
      what: "a text that does not fit",
      toml: `${binding}${migration}[vars]\nLONG = "${"ä".repeat(2561)}"\n${vm}`,
      says: ["wrangler.toml:8: LONG: takes 5122 bytes, and Cloudflare allows 5120 (5 KB) in a variable"],
    },
    {
      what: "arrays of several lines, quoted keys and Windows line breaks",
      toml: `${binding}${migration}${vm}labels = { "a.b" = "x" }\n`.replaceAll("\n", "\r\n"),
      says: [expect.stringMatching(/^wrangler\.toml:12: VMS\[0\]\.instance\.labels\.a\.b: "a\.b" is not a label: /)],
    },
    {
      what: "an item of an array of several lines",
      toml: `${binding}${migration}${vm}tags = [\n  "ok",\n  "NO",\n]\n`,
      says: [expect.stringMatching(/^wrangler\.toml:14: VMS\[0\]\.instance\.tags\[1\]: "NO" is not /)],
    },
    {
      what: "a table whose header comes after that of its part",
      toml: `${binding}${migration}[vars.Z]\n${vm}[env.staging.vars.Z]\n[env.staging]\nname = "s"\n`,
      says: [
        "wrangler.toml: 1 VM, no problem found",
        expect.stringMatching(/^wrangler\.toml:13: \[env\.staging\] VMS: is missing/),
        expect.stringMatching(/^wrangler\.toml:14: \[env\.staging\] durable_objects\.bindings: /),
      ],
    },
    {
      what: "settings of the wrong kind",
      toml: "vars = 1\ndurable_objects = []\nmigrations = 2\nenv = 3\n",
      says: [
        expect.stringMatching(/^wrangler\.toml:1: VMS: is missing/),
        expect.stringMatching(/^wrangler\.toml:2: durable_objects\.bindings: /),
      ],
    },
  ])("$what", async ({ toml, says }, { folder }) => {
    writeFileSync(join(folder, "wrangler.toml"), toml);

    const { status, stdout, stderr } = await vmproxy(["check"], { cwd: folder });

    const isRight = says.every((line) => typeof line === "string" && line.endsWith("no problem found"));
    expect({ status, stderr, lines: stdout.trimEnd().split("\n") }).toEqual({ status: isRight ? 0 : 1, stderr: "", lines: says });
  });
});

/** Returns a startup script with which the JSON of VMS has this many bytes. */
function scriptOf(bytes: number): string {
  const vms = [{ path: "/", instance: { name: "backend", zone: "us-central1-a", startup_script: "" } }];
  return `startup_script = "${"x".repeat(bytes - JSON.stringify(vms).length)}"\n`;
}
