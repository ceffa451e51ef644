//! The folder of a build, and what it was made of.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// In the folder of a build, the hash of what it was made of. Written last.
const INPUTS: &str = ".inputs";

const RESULTS: [&str; 3] = ["bindgen", "index.js", "index_bg.wasm"];

/// Returns the hash of files, and of when this program was built, on whose options the result depends.
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

/// Returns whether a build is whole, and made of what has this hash.
pub fn is_made_of(build: &Path, inputs: &str) -> bool {
    RESULTS.iter().all(|name| build.join(name).exists())
        && fs::read_to_string(build.join(INPUTS)).is_ok_and(|text| text == inputs)
}

/// A folder beside that of the build, on the same file system. Dropped, it is deleted.
pub struct Staging {
    build: PathBuf,
    folder: PathBuf,
}

impl Staging {
    /// # Errors
    /// The folder cannot be made.
    pub fn create(build: &Path) -> Result<Self> {
        // Another build may be at work on the same crate.
        let folder = build.join(format!(".staging-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
        Ok(Self { build: build.to_owned(), folder })
    }

    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Puts what is in the folder in its place, and notes what it was made of.
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
        // What is left over harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
