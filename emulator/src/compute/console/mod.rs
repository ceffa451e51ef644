//! What an instance writes to its first serial port:
//! <https://cloud.google.com/compute/docs/troubleshooting/viewing-serial-port-output>.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

/// "Returns the last 1 MB of serial port output": the buffer of a port.
const KEPT: usize = 1 << 20;

/// A serial port's output since the machine was started.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Console {
    kept: String,
    /// Bytes written before those.
    discarded: usize,
}

impl Console {
    /// The machine writes.
    pub fn write(&mut self, text: &str) {
        self.kept.push_str(text);
        let mut excess = self.kept.len().saturating_sub(KEPT);
        while !self.kept.is_char_boundary(excess) {
            excess += 1;
        }
        self.kept.drain(..excess);
        self.discarded += excess;
    }

    /// The `SerialPortOutput` from this byte on. A negative position counts from the end; what is no longer
    /// there is passed over:
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
