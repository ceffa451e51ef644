//! Compiles Rust to WebAssembly: `cargo build`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{bail, Context, Result};
use serde_json::Value;

const TARGET: &str = "wasm32-unknown-unknown";

/// Compiles the crate in `folder`, and returns the path of its WebAssembly.
///
/// # Errors
/// `cargo` failed, or the crate is not a `cdylib`.
pub fn compile(folder: &Path, workspace: &Path) -> Result<PathBuf> {
    let manifest = folder.join("Cargo.toml");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--lib", "--target", TARGET]);
    cargo.args(["--message-format", "json-render-diagnostics", "--manifest-path"]).arg(&manifest);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(workspace)?.join("\u{1f}"));
    // `worker-build` sets this too: futures and promises use `js-sys` only.
    cargo.env("WASM_BINDGEN_USE_JS_SYS", "1");
    let output = cargo.stderr(Stdio::inherit()).output().context("cannot start `cargo`")?;
    if !output.status.success() {
        bail!("`cargo build` failed ({})", output.status);
    }
    let messages = String::from_utf8(output.stdout).context("cargo's messages")?;
    artifact(&messages, &manifest).with_context(|| format!("{} has no cdylib", manifest.display()))
}

/// Returns the flags that remove this machine's paths from the WebAssembly, so that the same source
/// gives the same bytes in any folder.
fn flags(workspace: &Path) -> Result<[String; 2]> {
    let cargo_home = match env::var_os("CARGO_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(&env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?).join(".cargo"),
    };
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    Ok([remap(&cargo_home, "/cargo"), remap(workspace, "/vmproxy")])
}

/// Returns the WebAssembly among the artifacts of cargo's messages; see
/// <https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages>.
fn artifact(messages: &str, manifest: &Path) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut artifacts = messages.filter(|message| message["manifest_path"].as_str() == manifest.to_str());
    artifacts.find_map(|message| {
        let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
        files.map(PathBuf::from).find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_artifact_is_the_crates_own_webassembly() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","filenames":["/t/a.wasm"]}
not JSON
{"reason":"compiler-artifact","manifest_path":"/b/Cargo.toml","filenames":["/t/libb.rlib","/t/b.wasm"]}
{"reason":"build-finished","success":true}
"#;
        let found = |folder: &str| artifact(messages, Path::new(folder));
        assert_eq!(found("/b/Cargo.toml"), Some("/t/b.wasm".into()));
        assert_eq!(found("/c/Cargo.toml"), None);
    }
}
