//! Those who watch a start: streams of server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>) that the object fills itself, so that however many
//! there are, and in however many isolates, they cost it no requests.

use std::time::Duration;

use js_sys::Uint8Array;
use web_sys::ReadableStream;

use super::news::News;
use crate::platform::source::Source;

/// A watcher that has gone away is noticed when it is written to, and proxies on the way cut what is silent.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// How soon a watcher comes back that was cut off, as when the object restarts: in milliseconds.
const RETRY: &str = "retry: 1000\n";

/// The open streams.
#[derive(Default)]
pub(super) struct Watchers {
    streams: Vec<Source>,
    /// What they were told last.
    told: String,
}

impl Watchers {
    /// Whether there is anybody.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// A new stream, which begins with how it is now. It ends there if that is the last news.
    ///
    /// # Errors
    /// The text of the exception.
    pub fn add(&mut self, news: &News) -> Result<ReadableStream, String> {
        let (stream, source) = Source::new(None)?;
        let told = source.put(&bytes(&[RETRY, &event(news)].concat()));
        if news.is_last {
            source.close();
        } else if told.is_ok() {
            if self.streams.is_empty() {
                self.told.clone_from(&news.key);
            }
            self.streams.push(source);
        }
        Ok(stream)
    }

    /// Tells everybody, if it is news to them; after the last news the streams end.
    pub fn tell(&mut self, news: &News) {
        if news.key == self.told && !news.is_last {
            return;
        }
        self.told.clone_from(&news.key);
        self.write(&event(news));
        if news.is_last {
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

fn event(news: &News) -> String {
    format!("data: {}\n\n", news.json)
}

fn bytes(text: &str) -> Uint8Array {
    Uint8Array::from(text.as_bytes())
}
