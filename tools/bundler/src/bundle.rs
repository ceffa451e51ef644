//! Bundles the Worker's entry point and the code that wasm-bindgen has generated into one JavaScript
//! module: `esbuild`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{bail, Context, Result};

use crate::program::run;

/// Bundles the entry point with `bindgen/index.js` in `folder`, as `index.js` in `folder`.
///
/// # Errors
/// `esbuild` failed, or wasm-bindgen's import of the WebAssembly has an unknown form.
pub fn bundle(entry: &Path, folder: &Path) -> Result<()> {
    let generated = folder.join("bindgen").join("index.js");
    import_as_a_module(&generated)?;
    let mut command = Command::new("esbuild");
    command.arg(entry).args(["--bundle", "--format=esm", "--minify", "--log-level=warning"]);
    command.arg(format!("--alias:program={}", generated.display()));
    command.args(["--external:cloudflare:*", "--external:./index_bg.wasm"]);
    // A Worker without schedules does not export the function for schedules.
    command.arg("--log-override:import-is-undefined=silent");
    command.arg(format!("--outfile={}", folder.join("index.js").display()));
    run(&mut command)
}

/// wasm-bindgen writes the proposed `import source`
/// (<https://github.com/tc39/proposal-source-phase-imports>). In Workers, the `import` that wrangler
/// and workerd support returns the same `WebAssembly.Module`.
fn import_as_a_module(generated: &Path) -> Result<()> {
    const PROPOSED: &str = "import source wasmModule from ";
    let code = fs::read_to_string(generated).with_context(|| format!("{}", generated.display()))?;
    if code.matches(PROPOSED).count() != 1 {
        bail!("{} does not have `{PROPOSED}` once", generated.display());
    }
    fs::write(generated, code.replace(PROPOSED, "import wasmModule from "))?;
    Ok(())
}
