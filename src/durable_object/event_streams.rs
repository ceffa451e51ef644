//! Streams of server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>)
//! for those who watch a start.
//!
//! The object fills them itself: however many there are, and in however many isolates, they cost it
//! no requests.

use std::time::Duration;

use js_sys::Uint8Array;
use web_sys::ReadableStream;

use crate::driver::StartStatus;
use crate::platform::body_source::BodySource;

/// The pause between heartbeats. Only a write shows that a watcher has gone away, and
/// intermediaries cut silent streams.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// The delay, in milliseconds, after which a client reconnects when the stream has been cut, for
/// instance by a restart of the object.
const RETRY: &str = "retry: 1000\n";

/// The open streams.
#[derive(Default)]
pub(super) struct EventStreams {
    streams: Vec<BodySource>,
    /// The key of the status that was published last.
    published: String,
}

impl EventStreams {
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Opens a stream that begins with this status. It ends there if the status is the last one.
    ///
    /// # Errors
    /// The text of the exception.
    pub fn open(&mut self, status: &StartStatus) -> Result<ReadableStream, String> {
        let (stream, source) = BodySource::new(None)?;
        let first = source.enqueue(&bytes(&[RETRY, &event(status)].concat()));
        if status.is_last {
            source.close();
        } else if first.is_ok() {
            if self.streams.is_empty() {
                self.published.clone_from(&status.key);
            }
            self.streams.push(source);
        }
        Ok(stream)
    }

    /// Sends the status to all streams, if it has changed. After the last one they end.
    pub fn publish(&mut self, status: &StartStatus) {
        if status.key == self.published && !status.is_last {
            return;
        }
        self.published.clone_from(&status.key);
        self.write(&event(status));
        if status.is_last {
            for source in self.streams.drain(..) {
                source.close();
            }
        }
    }

    /// Shows all clients that the stream is alive.
    pub fn send_heartbeat(&mut self) {
        self.write("event: beat\ndata: 1\n\n");
    }

    fn write(&mut self, text: &str) {
        // Each stream takes the memory of its piece away.
        self.streams.retain(|source| source.enqueue(&bytes(text)).is_ok());
    }
}

fn event(status: &StartStatus) -> String {
    format!("data: {}\n\n", status.json)
}

fn bytes(text: &str) -> Uint8Array {
    Uint8Array::from(text.as_bytes())
}
