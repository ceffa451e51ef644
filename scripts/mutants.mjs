// Applies the patches of `tests/simulation/mutants/`, one at a time, to a copy of the sources, runs
// the tests that must find them, and prints what they found: `node scripts/mutants.mjs [NAME…]`.
//
// `--check` only checks that each patch applies. `--write` writes the table to the folder's
// README.md. `--seeds N` runs another number of seeds than 1,000, `--jobs N` several mutants at once.

import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { root } from "./project.mjs";
import { end, Failure, main, output, start } from "./process.mjs";

const folder = join(root, "tests", "simulation", "mutants");
const workFolder = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "mutants");

const defaultSeeds = 1000;

// A mutant may make a test run forever.
const timeout = 15 * 60_000;

const tests = {
  simulation: {
    target: ["--test", "simulation"],
    args: ["the_lifecycle_keeps_its_promises_whatever_happens", "--nocapture"],
    findings: surveyed,
  },
  exhaustive: { target: ["--test", "exhaustive"], args: ["--nocapture"], findings: panics },
  driver: { target: ["--lib"], args: ["driver::"], findings: failedTests },
  lifecycle: { target: ["--lib"], args: ["lifecycle::"], findings: failedTests },
};

const allowedFields = ["Breaks", "Change", "Found-by", "Message", "Seeds"];

const header = ["| mutant | breaks | found as | seeds | first |", "|---|---|---|---|---|"];

async function runMutants(args) {
  const options = {
    check: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    seeds: { type: "string" },
    jobs: { type: "string", default: "1" },
  };
  const { values, positionals: names } = parseArgs({ args, options, allowPositionals: true });
  const all = mutants();
  const unknown = names.find((name) => !all.some((mutant) => mutant.name === name));
  if (unknown) throw new Failure(`no mutant is named ${unknown}`);
  if (values.write && names.length > 0) throw new Failure("--write needs a run of all mutants");
  if (!/^[1-9]\d*$/.test(values.jobs)) throw new Failure("--jobs needs a number");

  checkMutants();
  if (values.check) return;
  const chosen = all.filter(({ name }) => names.length === 0 || names.includes(name));
  const waiting = [...chosen];
  const failures = [];
  console.log(header.join("\n"));
  const work = async (worker) => {
    const copy = copySources(worker);
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      try {
        mutant.rows = await find(mutant, copy, values.seeds ?? mutant.seeds ?? defaultSeeds);
        console.log(mutant.rows.join("\n"));
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        failures.push(mutant.name);
        console.error(`${mutant.name}: ${error.message}`);
      }
    }
  };
  const began = Date.now();
  await Promise.all(Array.from({ length: Number(values.jobs) }, (_, worker) => work(worker)));
  const found = chosen.length - failures.length;
  console.log(`\n${found} of ${chosen.length} mutants found in ${Math.ceil((Date.now() - began) / 60_000)} min`);
  if (failures.length > 0) throw new Failure(`these mutants survive: ${failures.join(", ")}`);
  if (values.write) write(chosen.flatMap(({ rows }) => rows));
}

// Checks that each patch still applies and that its header is complete.
export function checkMutants() {
  for (const mutant of mutants()) apply(mutant, root, "--check");
}

function mutants() {
  const files = readdirSync(folder).filter((name) => name.endsWith(".patch"));
  return files.sort().map((file) => {
    const name = basename(file, ".patch");
    const [head] = readFileSync(join(folder, file), "utf8").split("\n\n");
    const fields = head.split("\n").map((line) => line.match(/^([A-Z][a-z-]+): (.*)$/)?.slice(1));
    const unknown = fields.find((field) => !allowedFields.includes(field?.[0]));
    if (unknown) throw new Failure(`${file}: a line before the first empty line is not known`);
    const all = (key) => fields.filter(([other]) => other === key).map(([, value]) => value);
    const [[breaks], [change], foundBy, messages, [seeds]] = allowedFields.map(all);
    if (!breaks || !change || foundBy.length === 0) throw new Failure(`${file}: Breaks, Change and Found-by are required`);
    const strange = foundBy.find((test) => !(test in tests));
    if (strange) throw new Failure(`${file}: ${strange} is none of ${Object.keys(tests).join(", ")}`);
    return { name, path: join(folder, file), breaks, change, foundBy, messages, seeds };
  });
}

function apply({ name, path }, directory, ...options) {
  // A copy of the sources is in a folder of the repository, but not part of it.
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(directory) };
  const applied = output("git", ["apply", "--recount", ...options, path], { cwd: directory, env });
  if (applied === undefined) throw new Failure(`tests/simulation/mutants/${name}.patch does not apply`);
}

// Copies the tracked files. Each worker's copy has its own target folder, because cargo cannot tell
// two copies apart. The files of a copy are always new, so cargo compiles the crate again, even if
// an interrupted run has left a mutant.
function copySources(worker) {
  const copy = join(workFolder, String(worker), "sources");
  rmSync(copy, { recursive: true, force: true });
  for (const file of output("git", ["ls-files"], { cwd: root }).split("\n")) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    copyFileSync(join(root, file), join(copy, file));
  }
  return copy;
}

// Returns the rows of the table; throws if a test does not find the mutant.
async function find(mutant, copy, seeds) {
  apply(mutant, copy);
  try {
    const programs = await compile(mutant.foundBy, copy);
    const found = [];
    for (const test of mutant.foundBy) {
      const { args, findings } = tests[test];
      const env = { SEEDS: String(seeds), SURVEY: "1", THREADS: "1" };
      const isExpected = ({ message }) => mutant.messages.some((expected) => message.startsWith(expected));
      // The other searches of the exhaustive test take minutes.
      const isEnough = (errors) => test === "exhaustive" && findings(errors).some(isExpected);
      const { text, errors, code } = await collect(programs[test], args, { cwd: copy, env, isEnough });
      const findingsOfTest = code === 0 ? [] : findings(text + errors);
      if (findingsOfTest.length === 0) throw new Failure(`${test} finds nothing`);
      found.push(...findingsOfTest.map((finding) => ({ ...finding, test })));
    }
    const messages = mutant.messages.length > 0 ? mutant.messages : [found[0].message];
    return messages.map((message, index) => row(index === 0 ? mutant : {}, message, found, seeds));
  } finally {
    apply(mutant, copy, "--reverse");
  }
}

function row({ name = "", breaks = "" }, message, found, seeds) {
  const matching = found.filter((finding) => finding.message.startsWith(message));
  if (matching.length === 0) {
    const others = [...new Set(found.map((finding) => finding.message.slice(0, 200)))];
    throw new Failure(`it is not found as \`${message}\`, but as\n${others.join("\n")}`);
  }
  const surveyed = matching.filter(({ test }) => test === "simulation");
  const count = surveyed.reduce((sum, finding) => sum + finding.count, 0);
  const first = Math.min(...surveyed.map(({ seed }) => seed));
  const where = count > 0 ? [`${count} of ${seeds}`, first] : [`(${matching[0].test})`, ""];
  const text = matching.every((finding) => finding.message === message) ? message : `${message} …`;
  return `| ${[name, breaks, `\`${text}\``, ...where].join(" | ")} |`;
}

// Returns the test programs by name.
async function compile(names, copy) {
  const targets = names.flatMap((name) => tests[name].target);
  const options = ["--locked", "--profile", "mutants", "--package", "vmproxy", "--no-run"];
  const args = ["test", ...options, "--message-format", "json-render-diagnostics", ...targets];
  const { text, errors, code } = await collect("cargo", args, {
    cwd: copy,
    env: { CARGO_TARGET_DIR: join(dirname(copy), "target") },
  });
  if (code !== 0) throw new Failure(`it does not compile:\n${errors}`);
  const messages = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const programs = messages.filter(({ executable, profile }) => executable && profile.test);
  return Object.fromEntries(
    names.map((name) => {
      const targetName = tests[name].target[1] ?? "vmproxy";
      return [name, programs.find((program) => program.target.name === targetName).executable];
    }),
  );
}

// Runs a program, and returns what it has written. The program is ended early if `isEnough` accepts
// what it has written so far.
async function collect(command, args, { isEnough = () => false, ...options }) {
  const child = start(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let hasTimedOut = false;
  const timer = setTimeout(() => {
    hasTimedOut = true;
    end(child);
  }, timeout);
  const stopEarly = (text) => isEnough(text) && end(child);
  const [text, errors, code] = await Promise.all([readAll(child.stdout), readAll(child.stderr, stopEarly), child.ended]);
  clearTimeout(timer);
  if (hasTimedOut) throw new Failure(`${basename(command)} does not end`);
  return { text, errors, code };
}

async function readAll(stream, onText = () => {}) {
  let text = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream) {
    text += chunk;
    onText(text);
  }
  return text;
}

// Reads the survey of the simulation.
function surveyed(text) {
  const lines = [...text.matchAll(/^ *(\d+) {2}first +(\d+) {2}(.*)$/gm)];
  return lines.map(([, count, seed, message]) => ({ count: Number(count), seed: Number(seed), message }));
}

// Reads the messages of failed assertions and other panics.
function panics(text) {
  const lines = [...text.matchAll(/ panicked at .*:\n(?:assertion .* failed: )?(.*)$/gm)];
  return lines.map(([, message]) => ({ message }));
}

// Reads the names of failed unit tests.
function failedTests(text) {
  const lines = [...text.matchAll(/^test (?:.*::)?(\w+) \.\.\. FAILED$/gm)];
  return lines.map(([, message]) => ({ message }));
}

function write(rows) {
  const readme = join(folder, "README.md");
  const [text] = readFileSync(readme, "utf8").split(header[0]);
  writeFileSync(readme, `${text}${[...header, ...rows].join("\n")}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main(() => runMutants(process.argv.slice(2)));
