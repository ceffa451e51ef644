//! `--state`: a file that keeps the emulator's state across restarts.
//!
//! The file is replaced as a whole after each change, before the response is sent, so that it is
//! consistent whatever kills the emulator. (A machine that loses its power may lose the last
//! changes.)

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::auth::account::Key;
use crate::auth::tokens::Tokens;
use crate::compute::world::World;
use crate::timing::Timing;

/// The version of the format. Files of another version are refused.
const VERSION: u32 = 1;

/// The state to write.
#[derive(Serialize)]
pub struct Saving<'a> {
    version: u32,
    /// The root of the URLs in the world.
    endpoint: &'a str,
    key: &'a Key,
    tokens: &'a Tokens,
    timing: Option<Timing>,
    /// The last part of the address that was allocated last.
    last_address: u8,
    world: &'a World,
}

/// The state that was read.
#[derive(Deserialize)]
pub struct Saved {
    pub key: Key,
    pub tokens: Tokens,
    /// `None` means that the flags apply.
    pub timing: Option<Timing>,
    pub last_address: u8,
    pub world: World,
}

impl<'a> Saving<'a> {
    /// Collects the state of an emulator at `endpoint`.
    pub fn new(
        endpoint: &'a str,
        key: &'a Key,
        tokens: &'a Tokens,
        timing: Option<Timing>,
        last_address: u8,
        world: &'a World,
    ) -> Self {
        Self { version: VERSION, endpoint, key, tokens, timing, last_address, world }
    }
}

impl Saved {
    /// Returns the state of an emulator that starts from nothing.
    pub fn fresh(key: Key, world: World) -> Self {
        Self { key, tokens: Tokens::default(), timing: None, last_address: 0, world }
    }
}

/// An error of the state file.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be read or written.
    #[error("cannot use the state file {0}: {1}")]
    Io(PathBuf, io::Error),
    /// The file is damaged, or is not a state file of this project.
    #[error("{0} is not a valid state file: {1}")]
    Content(PathBuf, String),
}

/// The state file and its last content.
pub struct StateFile {
    path: PathBuf,
    written: Mutex<Vec<u8>>,
}

impl StateFile {
    /// Reads the file, if it exists, for an emulator of this project at `endpoint`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or does not hold the state of this project.
    pub fn open(path: &Path, project: &str, endpoint: &str) -> Result<(Self, Option<Saved>), StateError> {
        let file = Self { path: path.to_owned(), written: Mutex::default() };
        let saved = match fs::read(path) {
            Ok(bytes) => Some(read(&bytes, project, endpoint).map_err(|why| file.invalid(why))?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(StateError::Io(file.path, error)),
        };
        Ok((file, saved))
    }

    /// Replaces the content unless it is unchanged.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn write(&self, state: &Saving) -> Result<(), StateError> {
        let bytes = serde_json::to_vec(state).map_err(|error| self.invalid(error.to_string()))?;
        let mut written = self.written.lock().unwrap();
        if *written != bytes {
            self.replace(&bytes).map_err(|error| StateError::Io(self.path.clone(), error))?;
            *written = bytes;
        }
        Ok(())
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = self.path.with_file_name(name);
        create(&new)?.write_all(bytes)?;
        fs::rename(new, &self.path)
    }

    fn invalid(&self, why: String) -> StateError {
        StateError::Content(self.path.clone(), why)
    }
}

/// Creates a file that only its owner may read, because it holds a private key.
fn create(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn read(bytes: &[u8], project: &str, endpoint: &str) -> Result<Saved, String> {
    let mut content: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let version = content.get("version").and_then(Value::as_u64);
    if version != Some(VERSION.into()) {
        return Err(format!(
            "its version is {}, not {VERSION}",
            content.get("version").unwrap_or(&Value::Null)
        ));
    }
    let before = content.get("endpoint").and_then(Value::as_str).unwrap_or_default().to_owned();
    if before != endpoint {
        move_urls(&mut content, &format!("{before}/compute/v1/"), &format!("{endpoint}/compute/v1/"));
    }
    let saved: Saved = serde_json::from_value(content).map_err(|error| error.to_string())?;
    match saved.world.project() {
        known if known == project => Ok(saved),
        other => Err(format!("it belongs to the project {other}; start with --project {other}")),
    }
}

/// Replaces the root of all URLs, for an emulator on another port than the last one.
fn move_urls(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) => {
            if let Some(path) = text.strip_prefix(from) {
                *text = format!("{to}{path}");
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| move_urls(element, from, to)),
        Value::Object(fields) => fields.values_mut().for_each(|field| move_urls(field, from, to)),
        _ => {}
    }
}
