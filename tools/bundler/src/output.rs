//! The folder of a build, and the hash of its inputs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The file in the folder of a build that has the hash of its inputs. Written last.
const INPUTS: &str = ".inputs";

const RESULTS: [&str; 3] = ["bindgen", "index.js", "index_bg.wasm"];

/// Returns the hash of the files, with the time at which this program was built: the result also
/// depends on this program's options.
///
/// # Errors
/// A file cannot be read.
pub fn hash(files: &[&Path]) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        let content = fs::read(file).with_context(|| format!("{}", file.display()))?;
        hash.update(Sha256::digest(content));
    }
    let built = fs::metadata(std::env::current_exe()?)?.modified()?;
    Ok(format!("{:x} {built:?}", hash.finalize()))
}

/// Returns whether a build is complete and has inputs with this hash.
pub fn is_made_of(build: &Path, inputs: &str) -> bool {
    RESULTS.iter().all(|name| build.join(name).exists())
        && fs::read_to_string(build.join(INPUTS)).is_ok_and(|text| text == inputs)
}

/// A temporary folder within the build's folder, on the same file system. It is deleted when
/// dropped.
pub struct Staging {
    build: PathBuf,
    folder: PathBuf,
}

impl Staging {
    /// # Errors
    /// The folder cannot be created.
    pub fn create(build: &Path) -> Result<Self> {
        // Another build of the same crate may be running.
        let folder = build.join(format!(".staging-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
        Ok(Self { build: build.to_owned(), folder })
    }

    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Moves the files to their final place, and writes the hash of the inputs.
    ///
    /// # Errors
    /// Something is missing or cannot be moved.
    pub fn publish(self, inputs: &str) -> Result<()> {
        let stamp = self.build.join(INPUTS);
        if stamp.exists() {
            fs::remove_file(&stamp)?;
        }
        for name in RESULTS {
            let (from, to) = (self.folder.join(name), self.build.join(name));
            // A rename replaces a file, but no folder.
            if to.is_dir() {
                fs::remove_dir_all(&to)?;
            }
            fs::rename(&from, &to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
        }
        fs::write(stamp, inputs)?;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A remaining folder does no harm.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
