//! Those who watch a start: streams of server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>) that the object fills itself, so that however many
//! there are, and in however many isolates, they cost it no requests.

use std::time::Duration;

use js_sys::Uint8Array;
use web_sys::ReadableStream;

use super::start_status::StartStatus;
use crate::platform::source::Source;

/// A watcher that has gone away is noticed when it is written to, and proxies on the way cut what is silent.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// How soon a watcher comes back that was cut off, as when the object restarts: in milliseconds.
const RETRY: &str = "retry: 1000\n";

/// The open streams.
#[derive(Default)]
pub(super) struct EventStreams {
    streams: Vec<Source>,
    /// What they were told last.
    told: String,
}

impl EventStreams {
    /// Whether there is anybody.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// A new stream, which begins with how it is now. It ends there if status is the last one.
    ///
    /// # Errors
    /// The text of the exception.
    pub fn add(&mut self, start_status: &StartStatus) -> Result<ReadableStream, String> {
        let (stream, source) = Source::new(None)?;
        let told = source.put(&bytes(&[RETRY, &event(start_status)].concat()));
        if start_status.is_last {
            source.close();
        } else if told.is_ok() {
            if self.streams.is_empty() {
                self.told.clone_from(&start_status.key);
            }
            self.streams.push(source);
        }
        Ok(stream)
    }

    /// Tells everybody, if it is new to them; after the last status the streams end.
    pub fn tell(&mut self, start_status: &StartStatus) {
        if start_status.key == self.told && !start_status.is_last {
            return;
        }
        self.told.clone_from(&start_status.key);
        self.write(&event(start_status));
        if start_status.is_last {
            for source in self.streams.drain(..) {
                source.close();
            }
        }
    }

    /// Shows everybody that the stream is alive.
    pub fn beat(&mut self) {
        self.write("event: beat\ndata: 1\n\n");
    }

    fn write(&mut self, text: &str) {
        // Each stream takes its piece's memory away.
        self.streams.retain(|source| source.put(&bytes(text)).is_ok());
    }
}

fn event(start_status: &StartStatus) -> String {
    format!("data: {}\n\n", start_status.json)
}

fn bytes(text: &str) -> Uint8Array {
    Uint8Array::from(text.as_bytes())
}
