//! Generates the JavaScript that calls the WebAssembly: wasm-bindgen.

use std::path::Path;

use anyhow::Result;
use wasm_bindgen_cli_support::Bindgen;

/// Writes `index.js` and `index_bg.wasm` to `folder`, with the options of `worker-build`.
///
/// # Errors
/// The WebAssembly was built with another version of `wasm-bindgen`, or without it.
pub fn generate(wasm: &Path, folder: &Path) -> Result<()> {
    Bindgen::new()
        .input_path(wasm)
        .module(true)?
        .typescript(false)
        .out_name("index")
        // These two options renew the instance after an abort.
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .generate(folder)
}

#[cfg(test)]
mod tests {
    const LOCK_FILE: &str = include_str!("../../../Cargo.lock");

    #[test]
    fn the_crate_and_the_generator_are_of_one_version() {
        let versions = |name: &str| -> Vec<&str> {
            let packages = LOCK_FILE.split("[[package]]\n");
            let named = packages.filter_map(|package| package.strip_prefix(&format!("name = \"{name}\"\n")));
            named.filter_map(|package| package.lines().next()).collect()
        };
        assert_eq!(versions("wasm-bindgen").len(), 1);
        assert_eq!(versions("wasm-bindgen"), versions("wasm-bindgen-cli-support"));
    }
}
