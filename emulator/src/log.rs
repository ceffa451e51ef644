//! The log: one line on standard error for each call and each change of an instance.

use std::fmt::Display;
use std::time::SystemTime;

use crate::clock::utc;

/// The log's settings.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    pub quiet: bool,
}

impl Log {
    /// Writes a line with the time.
    pub fn line(self, text: impl Display) {
        if !self.quiet {
            eprintln!("{} {text}", utc(SystemTime::now()));
        }
    }
}
