// From the packed package to a started VM on a machine without Rust; the same for deploy/.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect } from "vitest";
import { Emulator, instancePort } from "../harness/emulator.ts";
import { root } from "../harness/root.ts";
import { tarball } from "./harness/package.ts";
import { run } from "./harness/program.ts";
import { test as base } from "./harness/test.ts";

/** The programs that a user needs, and no others. */
const programs = ["node", "npm", "npx", "wrangler", "sh", "env"];

const test = base.extend<{ env: NodeJS.ProcessEnv }>({
  env: async ({ folder }, use) => {
    const bin = join(folder, "bin");
    mkdirSync(bin);
    for (const program of programs) symlinkSync(which(program), join(bin, program));
    await use({
      PATH: bin,
      HOME: folder,
      CI: "true",
      WRANGLER_SEND_METRICS: "false",
      npm_config_offline: "true",
      npm_config_audit: "false",
      npm_config_fund: "false",
      npm_config_update_notifier: "false",
    });
  },
});

describe("in a folder without Rust", () => {
  test.for<{ what: string; create: (project: string, env: NodeJS.ProcessEnv) => Promise<void> }>([
    {
      what: "vmproxy init",
      create: async (project, env) => {
        mkdirSync(project);
        await install(project, env);
        await succeed("npx", ["vmproxy", "init", "--yes"], project, env);
      },
    },
    {
      what: "deploy/",
      create: async (project, env) => {
        // The registry does not have this version of the package.
        const elsewhere = `${project}-package`;
        mkdirSync(elsewhere);
        await install(elsewhere, env);
        cpSync(join(root, "deploy"), project, { recursive: true });
        cpSync(join(elsewhere, "node_modules"), join(project, "node_modules"), { recursive: true, verbatimSymlinks: true });
      },
    },
  ])("$what makes a Worker that wakes a VM", async ({ create }, { folder, env }) => {
    const project = join(folder, "project");
    for (const program of ["cargo", "rustc"]) {
      await expect(run(program, ["--version"], { cwd: folder, env })).rejects.toThrow("ENOENT");
    }

    await create(project, env);

    expect(await succeed("npx", ["vmproxy", "check"], project, env)).toBe("wrangler.toml: 1 VM, no problem found\n");
    const deployed = await succeed("wrangler", ["deploy", "--dry-run"], project, env);
    expect(deployed).toContain("env.VM (VmObject)");

    const cloud = await Emulator.start();
    try {
      // The edits for a server of the user's own.
      const file = join(project, "wrangler.toml");
      writeFileSync(file, readFileSync(file, "utf8").replace("# port = 80\n", `port = ${instancePort}\n`));
      writeFileSync(join(project, ".dev.vars"), `GOOGLE_SERVICE_ACCOUNT_KEY='${JSON.stringify(await cloud.keyFile())}'\n`);
      await using worker = await Dev.start(project, env, { COMPUTE_ENDPOINT: cloud.computeEndpoint });

      const response = await fetch(`${worker.url}/echo?woken`);

      expect({ status: response.status, cold: response.headers.get("x-vmproxy-cold-start") }).toEqual({ status: 200, cold: "true" });
      expect(await response.json()).toMatchObject({ method: "GET", url: "/echo?woken" });
      expect(await cloud.instance()).toMatchObject({ status: "RUNNING", zone: "us-central1-a" });
      expect((await cloud.calls())["instances.insert"]).toBe(1);
    } finally {
      await cloud.stop();
    }
  });
});

/** Runs `wrangler dev` until the test ends. */
class Dev implements AsyncDisposable {
  readonly url: string;
  readonly #end: () => Promise<void>;

  private constructor(url: string, end: () => Promise<void>) {
    this.url = url;
    this.#end = end;
  }

  static async start(project: string, env: NodeJS.ProcessEnv, variables: Record<string, string>): Promise<Dev> {
    const vars = Object.entries(variables).flatMap(([name, value]) => ["--var", `${name}:${value}`]);
    const args = ["dev", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0", ...vars];
    // A process group, so that the runtime ends too.
    const child = spawn("wrangler", args, { cwd: project, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
    const closed = once(child, "close");
    const end = async () => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGTERM");
      await closed;
    };
    const output: string[] = [];
    const ready = new Promise<string>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          output.push(line);
          const url = /Ready on (http:\S+)/.exec(line)?.[1];
          if (url !== undefined) resolve(url);
        });
      }
      closed.then(() => reject(new Error(`wrangler dev ended:\n${output.join("\n")}`)), reject);
    });
    const late = AbortSignal.timeout(60_000);
    const tooLate = once(late, "abort").then(() => Promise.reject(new Error(`not ready:\n${output.join("\n")}`)));
    tooLate.catch(() => {});
    try {
      return new Dev(await Promise.race([ready, tooLate]), end);
    } catch (error) {
      await end();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}

async function install(folder: string, env: NodeJS.ProcessEnv): Promise<void> {
  await succeed("npm", ["install", "--no-save", "--no-audit", "--no-fund", tarball], folder, env);
}

async function succeed(program: string, args: string[], cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  const { status, stdout, stderr } = await run(program, args, { cwd, env });
  expect(status, `${program} ${args.join(" ")}:\n${stdout}${stderr}`).toBe(0);
  return stdout;
}

function which(program: string): string {
  for (const folder of [join(root, "node_modules", ".bin"), ...(process.env.PATH ?? "").split(delimiter)]) {
    try {
      return realpathSync(join(folder, program));
    } catch {
      // This folder does not have the program.
    }
  }
  throw new Error(`no ${program} in PATH`);
}
