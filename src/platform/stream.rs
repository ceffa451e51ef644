//! Byte streams of the runtime. Chunks stay on the JavaScript side: they are passed on, not copied.

use js_sys::{Boolean, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    ReadableStream, ReadableStreamDefaultReader, StreamPipeOptions, TransformStream, WritableStream,
    WritableStreamDefaultWriter,
};

use super::describe;

#[wasm_bindgen]
extern "C" {
    /// The runtime's own pass-through stream of bytes, which it can pipe natively.
    /// See <https://developers.cloudflare.com/workers/runtime-apis/streams/transformstream/>.
    #[wasm_bindgen(extends = TransformStream)]
    type IdentityTransformStream;

    #[wasm_bindgen(constructor, catch)]
    fn new() -> Result<IdentityTransformStream, JsValue>;
}

/// A pipe for any number of bytes.
///
/// # Errors
/// The text of the exception.
pub(crate) fn pipe() -> Result<TransformStream, String> {
    IdentityTransformStream::new().map(JsCast::unchecked_into).map_err(|error| describe(&error))
}

/// A pipe for exactly `length` bytes: a body made of it gets a `Content-Length`, and one that is cut short is an
/// error for whoever reads it.
///
/// # Errors
/// The text of the exception.
pub(crate) fn fixed_length_pipe(length: u64) -> Result<TransformStream, String> {
    worker::worker_sys::FixedLengthStream::new_big_int(length.into())
        .map(JsCast::unchecked_into)
        .map_err(|error| describe(&error))
}

/// Moves everything from one stream into the other, natively, and closes the other if `close`.
///
/// # Errors
/// The text of the exception: either side failed.
pub(crate) async fn pipe_to(from: &ReadableStream, to: &WritableStream, close: bool) -> Result<(), String> {
    let options = StreamPipeOptions::new();
    options.set_prevent_close(!close);
    let piped = JsFuture::from(from.pipe_to_with_options(to, &options)).await;
    piped.map(drop).map_err(|error| describe(&error))
}

/// Reads a stream chunk by chunk.
pub(crate) struct Reader(ReadableStreamDefaultReader);

impl Reader {
    /// Takes the stream over until [`Reader::release`].
    ///
    /// # Errors
    /// The text of the exception: somebody else reads it.
    pub fn new(stream: &ReadableStream) -> Result<Self, String> {
        ReadableStreamDefaultReader::new(stream).map(Self).map_err(|error| describe(&error))
    }

    /// The next chunk; `None` at the end.
    ///
    /// # Errors
    /// The text of the exception: the stream failed.
    pub async fn read(&self) -> Result<Option<Uint8Array>, String> {
        let result = JsFuture::from(self.0.read()).await.map_err(|error| describe(&error))?;
        let field = |name| Reflect::get(&result, &JsValue::from_str(name)).map_err(|error| describe(&error));
        if field("done")?.dyn_into::<Boolean>().is_ok_and(|done| done.value_of()) {
            return Ok(None);
        }
        field("value")?.dyn_into().map(Some).map_err(|_| "the stream is not one of bytes".to_owned())
    }

    /// Gives the stream back.
    pub fn release(self) {
        self.0.release_lock();
    }
}

/// Writes a stream chunk by chunk.
pub(crate) struct Writer(WritableStreamDefaultWriter);

impl Writer {
    /// Takes the stream over until [`Writer::release`] or an end.
    ///
    /// # Errors
    /// The text of the exception: somebody else writes it.
    pub fn new(stream: &WritableStream) -> Result<Self, String> {
        stream.get_writer().map(Self).map_err(|error| describe(&error))
    }

    /// Writes a chunk; returns when there is room for more.
    ///
    /// # Errors
    /// The text of the exception: nobody reads it any more.
    pub async fn write(&self, chunk: &Uint8Array) -> Result<(), String> {
        let written = JsFuture::from(self.0.write_with_chunk(chunk)).await;
        written.map(drop).map_err(|error| describe(&error))
    }

    /// Ends when nobody reads the stream any more, and says why.
    pub async fn gone(&self) -> String {
        match JsFuture::from(self.0.closed()).await {
            Ok(_) => "the stream is closed".to_owned(),
            Err(error) => describe(&error),
        }
    }

    /// Ends the stream well.
    pub async fn close(self) -> Result<(), String> {
        JsFuture::from(self.0.close()).await.map(drop).map_err(|error| describe(&error))
    }

    /// Ends the stream as cut short.
    pub async fn abort(self, reason: &str) {
        let reason = js_sys::Error::new(reason);
        let _ = JsFuture::from(self.0.abort_with_reason(&reason)).await;
    }

    /// Gives the stream back.
    pub fn release(self) {
        self.0.release_lock();
    }
}
