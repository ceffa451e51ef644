//! Byte streams of the runtime. Their bytes stay on the JavaScript side: they are passed on, not copied into the
//! memory of this program.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    ReadableStream, ReadableStreamByobReader, StreamPipeOptions, TransformStream, WritableStream,
    WritableStreamDefaultWriter,
};

use super::{describe, settled};

#[wasm_bindgen]
extern "C" {
    /// The runtime's own pass-through stream of bytes, which it can pipe natively.
    /// See <https://developers.cloudflare.com/workers/runtime-apis/streams/transformstream/>.
    #[wasm_bindgen(extends = TransformStream)]
    type IdentityTransformStream;

    #[wasm_bindgen(constructor, catch)]
    fn new() -> Result<IdentityTransformStream, JsValue>;

    type ReadResult;

    #[wasm_bindgen(method, getter)]
    fn done(this: &ReadResult) -> bool;

    #[wasm_bindgen(method, getter)]
    fn value(this: &ReadResult) -> JsValue;
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
    let piped = settled(from.pipe_to_with_options(to, &options)).await;
    piped.map(drop).map_err(|error| describe(&error))
}

/// Reads a stream piece by piece, into memory of the caller's: a piece is as long as that, and not the 4 KiB that
/// the runtime takes by itself.
pub(crate) struct Reader {
    inner: ReadableStreamByobReader,
}

impl Reader {
    /// Takes the stream over.
    ///
    /// # Errors
    /// The text of the exception: somebody else reads it, or it is not one of the runtime's own.
    pub fn new(stream: &ReadableStream) -> Result<Self, String> {
        let inner = ReadableStreamByobReader::new(stream).map_err(|error| describe(&error))?;
        Ok(Self { inner })
    }

    /// What is there next, as much as there is room for in `into`; `None` at the end. `into` is used up, with all
    /// else that is in its buffer: the piece has its memory.
    ///
    /// # Errors
    /// The text of the exception: the stream failed.
    pub async fn read(&self, into: &Uint8Array) -> Result<Option<Uint8Array>, String> {
        let read = settled(self.inner.read_with_array_buffer_view(into)).await;
        let result: ReadResult = read.map_err(|error| describe(&error))?.unchecked_into();
        if result.done() {
            return Ok(None);
        }
        result.value().dyn_into().map(Some).map_err(|_| "the stream is not one of bytes".to_owned())
    }
}

/// Writes a stream piece by piece.
pub(crate) struct Writer {
    inner: WritableStreamDefaultWriter,
}

impl Writer {
    /// Takes the stream over until [`Writer::release`].
    ///
    /// # Errors
    /// The text of the exception: somebody else writes it.
    pub fn new(stream: &WritableStream) -> Result<Self, String> {
        let inner = stream.get_writer().map_err(|error| describe(&error))?;
        Ok(Self { inner })
    }

    /// Writes a piece; returns when it has been taken. A write that is given up must be the last.
    ///
    /// # Errors
    /// The text of the exception: nobody reads it any more.
    pub async fn write(&self, piece: &Uint8Array) -> Result<(), String> {
        let written = settled(self.inner.write_with_chunk(piece)).await;
        written.map(drop).map_err(|error| describe(&error))
    }

    /// Gives the stream back.
    pub fn release(self) {
        self.inner.release_lock();
    }
}
