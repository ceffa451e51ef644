//! One module of JavaScript out of the Worker's entry and what wasm-bindgen has generated: `esbuild`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{bail, Context, Result};

use crate::program::run;

/// Bundles the entry with `bindgen/index.js` of `folder`, as `index.js` of `folder`.
///
/// # Errors
/// `esbuild` failed, or wasm-bindgen imports the WebAssembly in another way than it did.
pub fn bundle(entry: &Path, folder: &Path) -> Result<()> {
    let generated = folder.join("bindgen").join("index.js");
    import_as_a_module(&generated)?;
    let mut command = Command::new("esbuild");
    command.arg(entry).args(["--bundle", "--format=esm", "--minify", "--log-level=warning"]);
    command.arg(format!("--alias:program={}", generated.display()));
    command.args(["--external:cloudflare:*", "--external:./index_bg.wasm"]);
    // A Worker without schedules exports no function for them.
    command.arg("--log-override:import-is-undefined=silent");
    command.arg(format!("--outfile={}", folder.join("index.js").display()));
    run(&mut command)
}

/// wasm-bindgen writes the proposed `import source` (<https://github.com/tc39/proposal-source-phase-imports>). Workers get
/// the same, a `WebAssembly.Module`, by the `import` that wrangler and workerd know.
fn import_as_a_module(generated: &Path) -> Result<()> {
    const PROPOSED: &str = "import source wasmModule from ";
    let code = fs::read_to_string(generated).with_context(|| format!("{}", generated.display()))?;
    if code.matches(PROPOSED).count() != 1 {
        bail!("{} does not have `{PROPOSED}` once", generated.display());
    }
    fs::write(generated, code.replace(PROPOSED, "import wasmModule from "))?;
    Ok(())
}
