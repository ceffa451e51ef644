// `npm start` from start to end, as a user runs it.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const devVars = join(root, ".dev.vars");

describe("npm start", () => {
  let demo;

  before(async () => {
    demo = await startDemo();
  });

  after(() => demo?.stop());

  test("the Worker answers", async () => {
    const response = await fetch(`http://127.0.0.1:${demo.workerPort}/_vmproxy/healthz`);
    assert.equal(response.status, 200);
  });

  test("the emulator answers", async () => {
    const response = await fetch(`http://127.0.0.1:${demo.emulatorPort}/emulator/stats`);
    assert.equal(response.status, 200);
  });

  test(".dev.vars holds the secrets, and is kept if it is there", () => {
    const vars = readFileSync(devVars, "utf8");
    if (demo.devVarsBefore !== undefined) assert.equal(vars, demo.devVarsBefore);
    else assert.match(vars, /^GOOGLE_SERVICE_ACCOUNT_KEY='\{.*\}'\nADMIN_TOKEN='[0-9a-f]{32}'\n$/);
  });

  test("the whole life of a VM: created, used, put to sleep, woken", async () => {
    const [first, second] = [await demo.worker("/"), await demo.worker("/")];
    assert.deepEqual([first.status, second.status], [200, 200]);
    assert.match(first.body, /<h1>backend<\/h1>/);
    const { token, "instances.insert": inserts, "instances.start": starts } = await demo.calls();
    assert.deepEqual({ token, inserts, starts }, { token: 1, inserts: 1, starts: undefined });
    const before = await demo.calls();
    assert.equal((await demo.worker("/echo")).status, 200);
    assert.deepEqual(await demo.calls(), before, "a warm request makes no Compute call");

    await demo.until((instance) => instance.status === "TERMINATED", "stopped after idle_timeout");
    assert.equal((await demo.worker("/")).status, 200);
    const after = await demo.calls();
    assert.deepEqual([after["instances.insert"], after["instances.start"]], [1, 1]);
  });

  test("workerd is killed while the VM boots: the next request is answered, by the same VM", async () => {
    const [, token] = readFileSync(devVars, "utf8").match(/^ADMIN_TOKEN='(.*)'$/m);
    const authorization = { authorization: `Bearer ${token}` };
    const deleted = await demo.worker("/_vmproxy/vms/backend/delete", { method: "POST", headers: authorization });
    assert.equal(deleted.status, 202);
    await demo.until((instance) => instance === undefined, "deleted");

    const { "instances.insert": inserts } = await demo.calls();
    const lost = demo.worker("/").catch(() => {});
    await demo.until((instance) => instance?.status === "STAGING", "staging");
    const workerds = descendants(demo.npm.pid).filter(({ command }) => command.includes("/workerd"));
    assert.ok(workerds.length > 0);
    for (const { pid } of workerds) process.kill(pid, "SIGKILL");
    await lost;
    await eventually(async () => {
      const response = await demo.worker("/").catch((error) => ({ status: error.message }));
      assert.equal(response.status, 200);
    });
    assert.equal((await demo.calls())["instances.insert"], inserts + 1);
  });

  test("a taken port is named, with the variable that moves it", async () => {
    const { output, exitCode } = await npmStart({ PORT: demo.workerPort, EMULATOR_PORT: await freePort() }).ended;
    assert.notEqual(exitCode, 0);
    assert.match(output, new RegExp(`port ${demo.workerPort}: already taken.*PORT=`));
  });

  test("SIGTERM ends it, and leaves nothing running", async () => {
    const family = descendants(demo.npm.pid);
    assert.ok(family.some(({ command }) => command.includes("workerd")), "workerd runs below npm start");
    await demo.stop();
    assert.deepEqual(family.filter(isRunning), []);
    await listenOnce(demo.workerPort);
    await listenOnce(demo.emulatorPort);
  });
});

// Long enough for a first build of the emulator and the Worker.
const deadline = 10 * 60_000;

async function startDemo() {
  const devVarsBefore = existsSync(devVars) ? readFileSync(devVars, "utf8") : undefined;
  const [workerPort, emulatorPort] = [await freePort(), await freePort()];
  const { npm, ended, saw } = npmStart({ PORT: workerPort, EMULATOR_PORT: emulatorPort });
  const stop = async () => {
    npm.kill("SIGTERM");
    await ended;
  };
  const failed = ended.then(({ output }) => assert.fail(`npm start ended:\n${output}`));
  const late = new Promise((_, reject) => {
    setTimeout(reject, deadline, new Error("npm start was not ready in time")).unref();
  });
  await Promise.race([saw("Ready: "), failed, late]).catch(async (error) => {
    await stop();
    throw error;
  });
  failed.catch(() => {});
  const worker = async (path, options) => {
    const signal = AbortSignal.timeout(30_000);
    const response = await fetch(`http://127.0.0.1:${workerPort}${path}`, { signal, ...options });
    return { status: response.status, body: await response.text() };
  };
  const emulator = async (path) => (await fetch(`http://127.0.0.1:${emulatorPort}/emulator/${path}`)).json();
  const calls = async () => (await emulator("stats")).calls;
  const until = (condition, what) =>
    eventually(async () => {
      const { instances } = await emulator("instances");
      assert.ok(condition(instances[0]), `${what}: ${JSON.stringify(instances)}`);
    });
  return { npm, stop, worker, calls, until, workerPort, emulatorPort, devVarsBefore };
}

// Waits until a check passes; the demo's idle timeout is a minute.
async function eventually(check) {
  const end = Date.now() + 3 * 60_000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function npmStart(variables) {
  const npm = spawn("npm", ["start"], {
    cwd: root,
    env: { ...process.env, ...variables },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  npm.stdout.on("data", (text) => (output += text));
  npm.stderr.on("data", (text) => (output += text));
  const ended = once(npm, "close").then(([exitCode]) => ({ exitCode, output }));
  const saw = (start) =>
    new Promise((resolve) => {
      createInterface({ input: npm.stdout }).on("line", (line) => line.startsWith(start) && resolve());
    });
  return { npm, ended, saw };
}

async function freePort() {
  return await listenOnce(0);
}

// Fails if the port is taken.
async function listenOnce(port) {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  const { port: given } = server.address();
  server.close();
  await once(server, "close");
  return given;
}

function descendants(ancestor) {
  const found = [];
  const pids = new Set([ancestor]);
  // ps lists a parent before its children, unless process numbers have wrapped around.
  for (const process of processes()) {
    if (!pids.has(process.pid) && !pids.has(process.parent)) continue;
    pids.add(process.pid);
    found.push(process);
  }
  return found;
}

function isRunning({ pid, command }) {
  return processes().some((process) => process.pid === pid && process.command === command);
}

function processes() {
  const lines = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" }).trim().split("\n");
  return lines.map((line) => {
    const [, pid, parent, command] = line.trim().match(/^(\d+)\s+(\d+)\s+(.*)$/);
    return { pid: Number(pid), parent: Number(parent), command };
  });
}
