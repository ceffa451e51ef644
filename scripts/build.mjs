// Builds a Worker into its folder's `build/`: `npm run build`, or `node scripts/build.mjs examples/own-worker`.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { npmBin, root } from "./project.mjs";
import { Failure, main, run } from "./process.mjs";
import { compiler, linkerOf } from "./setup/compiler.mjs";
import { wasmBindgen, workerBuild } from "./setup/cargo-tools.mjs";
import { setUp } from "./setup.mjs";

// Of the compressed size, which Cloudflare limits and loads at every cold start.
const budget = 400;

export async function build(crate = root) {
  await setUp();
  const rust = compiler();
  const inputs = hashOfInputs(crate, rust);
  if (!isBuiltFrom(crate, inputs)) {
    const env = environment(rust);
    await run(workerBuild.path(), ["--release"], { cwd: crate, env });
    // worker-build keeps the functions' names, a tenth of the compressed size; a panic says where it was without them.
    const wasm = join(crate, "build", "index_bg.wasm");
    await run(env.WASM_OPT_BIN, [wasm, "-Os", "--all-features", "--strip-debug", "--output", wasm], { env });
    unwrapHandlers(join(crate, "build", "index.js"));
    writeFileSync(join(crate, "build", ".inputs"), inputs);
  }
  checkSize(crate);
}

// worker-build puts an object and four proxies before each request, which look whether the wasm instance has to be made
// anew after a panic. Here the handlers look themselves, which costs a warm request less.
function unwrapHandlers(file) {
  const bundle = readFileSync(file, "utf8");
  const found = (what, pattern) => {
    const match = pattern.exec(bundle);
    if (!match) throw new Failure(`${file} has no ${what} where worker-build puts it`);
    return match;
  };
  const { index: end } = found("default export", /,? *[\w$]+ as default *\};?\s*$/);
  const [, renew] = found("way to make the instance anew", /function ([\w$]+)\(\)\{[\w$]+\.criticalError&&/);
  const [, note] = found("note of a panic", /addEventListener\("error",[\w$]+=>\{([\w$]+)\(/);
  // A Worker of one's own may have no handler of cron triggers.
  const handlers = [...bundle.matchAll(/\.prototype\.(fetch|scheduled)=function\([\w$]+\)\{return ([\w$]+)\.call\(/g)];
  if (!handlers.some(([, name]) => name === "fetch")) throw new Failure(`${file} has no handler of requests`);
  const unwrapped = handlers.map(([, name, handler]) => `  ${name}(argument, env, ctx) {
    ${renew}();
    try {
      return ${handler}(argument, env, ctx);
    } catch (error) {
      ${note}(error);
      throw error;
    }
  },
`);
  writeFileSync(file, `${bundle.slice(0, end)}};\nexport default {\n${unwrapped.join("")}};\n`);
}

function environment(rust) {
  const { isBuiltIn, program } = linkerOf(rust);
  return {
    // worker-build runs the cargo and rustc that it finds; wasm-opt runs the first node.
    PATH: [npmBin, dirname(rust.rustc), process.env.PATH].join(delimiter),
    // The compiler for wasm32 may be another one than for this machine: their files must not mix.
    CARGO_TARGET_DIR: join(root, "target", "worker"),
    ...(isBuiltIn ? {} : { CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: program }),
    WASM_BINDGEN_BIN: wasmBindgen.path(),
    WASM_OPT_BIN: join(npmBin, "wasm-opt"),
    ESBUILD_BIN: join(npmBin, "esbuild"),
  };
}

// worker-build optimizes from scratch each time, which takes longer than `wrangler dev` should wait for nothing.
function isBuiltFrom(crate, inputs) {
  const [stamp, ...results] = [".inputs", "index.js", "index_bg.wasm"].map((name) => join(crate, "build", name));
  return [stamp, ...results].every(existsSync) && readFileSync(stamp, "utf8") === inputs;
}

function hashOfInputs(crate, rust) {
  const hash = createHash("sha256").update(rust.version);
  for (const folder of new Set([root, crate])) {
    const settings = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "package-lock.json", "scripts/build.mjs"];
    const present = settings.map((name) => join(folder, name)).filter(existsSync);
    for (const file of [...present, ...filesIn(join(folder, "src"))]) {
      hash.update(`\0${relative(root, file)}\0`).update(readFileSync(file));
    }
  }
  return hash.digest("hex");
}

function filesIn(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? filesIn(join(folder, entry.name)) : [join(folder, entry.name)]))
    .sort();
}

function checkSize(crate) {
  const wasm = readFileSync(join(crate, "build", "index_bg.wasm"));
  const raw = Math.ceil(wasm.length / 1024);
  const compressed = Math.ceil(gzipSync(wasm, { level: 9 }).length / 1024);
  const name = relative(root, join(crate, "build", "index_bg.wasm"));
  console.log(`${name}: ${compressed} KiB gzipped of ${budget} KiB allowed (${raw} KiB raw)`);
  if (compressed > budget) throw new Failure(`${name} is over its budget`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main(() => build(resolve(root, process.argv[2] ?? ".")));
