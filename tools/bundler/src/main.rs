//! Builds a Worker: compiles a crate for wasm32, generates the JavaScript that calls the WebAssembly,
//! optimizes the WebAssembly, and bundles the JavaScript with the Worker's entry point,
//! `src/entry.js`.
//!
//! `bundler CRATE`, run in the workspace's folder, writes to `CRATE/build/`:
//!
//! - `index.js` and `index_bg.wasm`: the Worker, as wrangler deploys it;
//! - `bindgen/`: the generated JavaScript before bundling, for other bundles that call the same
//!   WebAssembly.
//!
//! The steps and their options are those of
//! [`worker-build`](https://github.com/cloudflare/workers-rs/tree/main/worker-build), except for
//! the entry point, which `worker-build` generates. `cargo`, `wasm-opt` and `esbuild` must be in
//! `PATH`.

mod bindgen;
mod bundle;
mod compile;
mod optimize;
mod output;
mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, Context, Result};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder] = arguments.as_slice() else { bail!("usage: bundler CRATE") };
    let folder = fs::canonicalize(folder).with_context(|| format!("no folder {}", folder.display()))?;
    build(&folder, &std::env::current_dir()?)
}

/// Builds the Worker of the crate in `folder`, unless the existing build has the same inputs.
fn build(folder: &Path, workspace: &Path) -> Result<()> {
    let compiled = compile::compile(folder, workspace)?;
    let entry = workspace.join("src").join("entry.js");
    let inputs = output::hash(&[&compiled, &entry])?;
    let build = folder.join("build");
    if output::is_made_of(&build, &inputs) {
        return Ok(());
    }
    // Built in a staging folder, so that no other process finds an incomplete build.
    let staging = output::Staging::create(&build)?;
    bindgen::generate(&compiled, &staging.path().join("bindgen"))?;
    optimize::optimize(&staging.path().join("bindgen"), staging.path())?;
    bundle::bundle(&entry, staging.path())?;
    staging.publish(&inputs)
}
