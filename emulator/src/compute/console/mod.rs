//! The first serial port of an instance:
//! <https://cloud.google.com/compute/docs/troubleshooting/viewing-serial-port-output>.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

/// The size of a port's buffer: "Returns the last 1 MB of serial port output".
const KEPT: usize = 1 << 20;

/// A serial port's output since the machine was started.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Console {
    kept: String,
    /// The number of bytes that the buffer has dropped.
    discarded: usize,
}

impl Console {
    /// Appends output.
    pub fn write(&mut self, text: &str) {
        self.kept.push_str(text);
        let mut excess = self.kept.len().saturating_sub(KEPT);
        while !self.kept.is_char_boundary(excess) {
            excess += 1;
        }
        self.kept.drain(..excess);
        self.discarded += excess;
    }

    /// Returns the `SerialPortOutput` from a byte on. A negative position counts from the end, and
    /// dropped bytes are skipped:
    /// <https://cloud.google.com/compute/docs/reference/rest/v1/instances/getSerialPortOutput>.
    pub fn output(&self, start: i64) -> Value {
        let end = self.discarded + self.kept.len();
        let distance = usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX);
        let start = if start < 0 { end.saturating_sub(distance) } else { distance }.max(self.discarded);
        let contents = self.kept.as_bytes().get(start - self.discarded..).unwrap_or_default();
        json!({
            "kind": "compute#serialPortOutput",
            "contents": String::from_utf8_lossy(contents),
            "start": start.to_string(),
            "next": start.max(end).to_string(),
        })
    }
}
