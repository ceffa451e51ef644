//! Byte streams of the runtime. Their bytes stay on the JavaScript side and are not copied into
//! WebAssembly memory.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    ReadableStream, ReadableStreamByobReader, StreamPipeOptions, TransformStream, WritableStream,
    WritableStreamDefaultWriter,
};

use super::{await_promise, describe};

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

/// Returns a pipe for any number of bytes.
///
/// # Errors
/// The text of the exception.
pub(crate) fn pipe() -> Result<TransformStream, String> {
    IdentityTransformStream::new().map(JsCast::unchecked_into).map_err(|error| describe(&error))
}

/// Returns a pipe for exactly `length` bytes: a body made of it gets a `Content-Length`, and a
/// truncated one is an error for its reader.
///
/// # Errors
/// The text of the exception.
pub(crate) fn fixed_length_pipe(length: u64) -> Result<TransformStream, String> {
    worker::worker_sys::FixedLengthStream::new_big_int(length.into())
        .map(JsCast::unchecked_into)
        .map_err(|error| describe(&error))
}

/// Pipes one stream into another natively, and closes the destination if `close`.
///
/// # Errors
/// The text of the exception: one of the streams failed.
pub(crate) async fn pipe_to(from: &ReadableStream, to: &WritableStream, close: bool) -> Result<(), String> {
    let options = StreamPipeOptions::new();
    options.set_prevent_close(!close);
    let piped = await_promise(from.pipe_to_with_options(to, &options)).await;
    piped.map(drop).map_err(|error| describe(&error))
}

/// Reads a stream piece by piece, into the caller's buffer: a piece may be as long as the buffer,
/// instead of the 4 KiB that the runtime chooses by itself.
pub(crate) struct Reader {
    inner: ReadableStreamByobReader,
}

impl Reader {
    /// Locks the stream.
    ///
    /// # Errors
    /// The text of the exception: the stream is locked, or is not one of the runtime's own.
    pub fn new(stream: &ReadableStream) -> Result<Self, String> {
        let inner = ReadableStreamByobReader::new(stream).map_err(|error| describe(&error))?;
        Ok(Self { inner })
    }

    /// Reads the next piece, at most as long as `into`; `None` means the end of the stream. `into`
    /// is detached, with all other views of its buffer: the piece takes the memory over.
    ///
    /// # Errors
    /// The text of the exception: the stream failed.
    pub async fn read(&self, into: &Uint8Array) -> Result<Option<Uint8Array>, String> {
        let read = await_promise(self.inner.read_with_array_buffer_view(into)).await;
        let result: ReadResult = read.map_err(|error| describe(&error))?.unchecked_into();
        if result.done() {
            return Ok(None);
        }
        result.value().dyn_into().map(Some).map_err(|_| "the stream is not a byte stream".to_owned())
    }
}

/// Writes a stream piece by piece.
pub(crate) struct Writer {
    inner: WritableStreamDefaultWriter,
}

impl Writer {
    /// Locks the stream until [`Writer::release`].
    ///
    /// # Errors
    /// The text of the exception: the stream is locked.
    pub fn new(stream: &WritableStream) -> Result<Self, String> {
        let inner = stream.get_writer().map_err(|error| describe(&error))?;
        Ok(Self { inner })
    }

    /// Writes a piece, and waits until it is accepted. No other write may follow one that is
    /// abandoned.
    ///
    /// # Errors
    /// The text of the exception: the stream's reader is gone.
    pub async fn write(&self, piece: &Uint8Array) -> Result<(), String> {
        let written = await_promise(self.inner.write_with_chunk(piece)).await;
        written.map(drop).map_err(|error| describe(&error))
    }

    /// Unlocks the stream.
    pub fn release(self) {
        self.inner.release_lock();
    }
}
