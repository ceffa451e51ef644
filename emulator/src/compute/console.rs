//! What an instance writes to its first serial port:
//! <https://cloud.google.com/compute/docs/troubleshooting/viewing-serial-port-output>.

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use super::instance::Instance;

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

/// What the guest writes while it boots.
pub fn boot_log(instance: &Instance) -> String {
    let name = &instance.name;
    let first_line = |script: &str| script.lines().next().unwrap_or_default().to_owned();
    let script = match (instance.metadata("startup-script"), instance.metadata("startup-script-url")) {
        (Some(script), _) => format!("startup-script: not run by gce-emulator: {}", first_line(script)),
        (None, Some(url)) => format!("startup-script-url: not run by gce-emulator: {url}"),
        (None, None) => "No startup scripts to run.".into(),
    };
    [
        "SeaBIOS (version 1.8.2-google)",
        "Booting from Hard Disk 0...",
        &format!("[    0.000000] Linux version 6.1.0-gce-emulator ({})", instance.machine_type()),
        &format!("[    0.412000] systemd[1]: Hostname set to <{name}>."),
        "[    1.337000] google_metadata_script_runner[512]: Starting startup scripts.",
        &format!("[    1.342000] google_metadata_script_runner[512]: {script}"),
        "[    1.360000] google_metadata_script_runner[512]: Finished running startup scripts.",
        &format!("{name} login:"),
        "",
    ]
    .join("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_read_from_anywhere() {
        let mut console = Console::default();
        console.write("hello world");
        let read = |console: &Console, start| {
            let output = console.output(start);
            let part = |name: &str| output[name].as_str().unwrap_or_default().to_owned();
            (part("contents"), part("start"), part("next"))
        };
        let expected = |contents: &str, start: &str, next: &str| (contents.into(), start.into(), next.into());
        assert_eq!(read(&console, 0), expected("hello world", "0", "11"));
        assert_eq!(read(&console, 6), expected("world", "6", "11"));
        assert_eq!(read(&console, 11), expected("", "11", "11"));
        assert_eq!(read(&console, 20), expected("", "20", "20"));
        assert_eq!(read(&console, -5), expected("world", "6", "11"));
        assert_eq!(read(&console, i64::MIN), expected("hello world", "0", "11"));

        console.write(&"x".repeat(KEPT));
        let (contents, start, next) = read(&console, 3);
        assert_eq!((contents.len(), start, next), (KEPT, "11".into(), (KEPT + 11).to_string()));
    }
}
