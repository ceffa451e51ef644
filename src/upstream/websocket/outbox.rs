//! Messages from a client to a VM, over a socket.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use js_sys::Uint8Array;
use soketto::base::OpCode;

use crate::http::websocket::close::{Close, OVERLOADED};
use crate::http::websocket::frames::{mask, put_frame, put_header, MaskingKey};
use crate::platform::random_bytes;
use crate::platform::stream::Writer;
use crate::platform::websocket::{encode, Message};

/// A longer message is copied only when its turn comes, and piece by piece: WebAssembly memory
/// never shrinks. A multiple of four, as [`mask`] requires.
const PIECE: usize = 64 * 1024;

/// The most bytes to queue for the VM: the runtime cannot slow clients down.
const MAX_QUEUED: usize = 32 * 1024 * 1024;

/// The queue of frames for a VM.
#[derive(Default)]
pub(super) struct Outbox(RefCell<Queue>);

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    keys: Keys,
    is_closed: bool,
    sender: Option<Waker>,
    /// The task that waits for the close.
    closing: Option<Waker>,
}

enum Item {
    /// Small frames, serialized: they collect while a write is under way.
    Frames(Vec<u8>),
    /// A message to be framed when its turn comes.
    Large(OpCode, Uint8Array),
}

/// The client sends more than the VM reads.
pub(super) struct Overloaded;

impl Outbox {
    /// Queues a message of the client.
    ///
    /// # Errors
    /// The queue is full: the connection must be closed, and only the close is sent.
    pub fn message(&self, message: Message) -> Result<(), Overloaded> {
        let mut queue = self.0.borrow_mut();
        if queue.bytes > MAX_QUEUED {
            queue.items.clear();
            queue.bytes = 0;
            queue.frame(OpCode::Close, &Close::Coded(OVERLOADED, String::new()).payload());
            queue.close();
            return Err(Overloaded);
        }
        match message {
            Message::Text(text) if text.length() as usize > PIECE => queue.large(OpCode::Text, encode(&text)),
            Message::Text(text) => queue.frame(OpCode::Text, String::from(text).as_bytes()),
            Message::Binary(bytes) => {
                let bytes = Uint8Array::new(&bytes);
                if bytes.length() as usize > PIECE {
                    queue.large(OpCode::Binary, bytes);
                } else {
                    queue.frame(OpCode::Binary, &bytes.to_vec());
                }
            }
        }
        Ok(())
    }

    /// Queues the reply to a ping.
    pub fn pong(&self, payload: &[u8]) {
        let mut queue = self.0.borrow_mut();
        // A VM that does not read gets no further pongs.
        if queue.bytes <= MAX_QUEUED {
            queue.frame(OpCode::Pong, payload);
        }
    }

    /// Queues the close, the last frame.
    pub fn close(&self, close: &Close) {
        let mut queue = self.0.borrow_mut();
        queue.frame(OpCode::Close, &close.payload());
        queue.close();
    }

    /// Waits until the close is queued, not until it is sent.
    pub async fn closed(&self) {
        poll_fn(|context| {
            let mut queue = self.0.borrow_mut();
            if queue.is_closed {
                return Poll::Ready(());
            }
            queue.closing = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Sends the queue up to the close.
    ///
    /// # Errors
    /// The text of the exception: the connection is lost.
    pub async fn send(&self, writer: &Writer) -> Result<(), String> {
        while let Some(item) = self.next().await {
            match item {
                Item::Frames(bytes) => {
                    writer.write(&Uint8Array::from(bytes.as_slice())).await?;
                    self.0.borrow_mut().bytes -= bytes.len();
                }
                Item::Large(opcode, payload) => {
                    let key = self.0.borrow_mut().keys.next();
                    send_large(opcode, &payload, key, writer).await?;
                    self.0.borrow_mut().bytes -= payload.length() as usize;
                }
            }
        }
        Ok(())
    }

    async fn next(&self) -> Option<Item> {
        poll_fn(|context| {
            let mut queue = self.0.borrow_mut();
            match queue.items.pop_front() {
                Some(item) => Poll::Ready(Some(item)),
                None if queue.is_closed => Poll::Ready(None),
                None => {
                    queue.sender = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Queue {
    fn frame(&mut self, opcode: OpCode, payload: &[u8]) {
        if self.is_closed {
            return;
        }
        let key = self.keys.next();
        let frames = match self.items.back_mut() {
            Some(Item::Frames(frames)) if frames.len() < PIECE => frames,
            _ => {
                self.items.push_back(Item::Frames(Vec::new()));
                let Some(Item::Frames(frames)) = self.items.back_mut() else { return };
                frames
            }
        };
        let before = frames.len();
        put_frame(opcode, payload, key, frames);
        self.bytes += frames.len() - before;
        self.wake();
    }

    fn large(&mut self, opcode: OpCode, payload: Uint8Array) {
        if self.is_closed {
            return;
        }
        self.bytes += payload.length() as usize;
        self.items.push_back(Item::Large(opcode, payload));
        self.wake();
    }

    fn close(&mut self) {
        self.is_closed = true;
        if let Some(closing) = self.closing.take() {
            closing.wake();
        }
    }

    fn wake(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.wake();
        }
    }
}

async fn send_large(
    opcode: OpCode,
    payload: &Uint8Array,
    key: MaskingKey,
    writer: &Writer,
) -> Result<(), String> {
    let length = payload.length();
    let mut frame = Vec::new();
    put_header(opcode, length as usize, key, &mut frame);
    for at in (0..length).step_by(PIECE) {
        let piece = payload.subarray(at, length.min(at + PIECE as u32));
        let begin = frame.len();
        frame.resize(begin + piece.length() as usize, 0);
        if let Some(copy) = frame.get_mut(begin..) {
            piece.copy_to(copy);
            mask(copy, key);
        }
        writer.write(&Uint8Array::from(frame.as_slice())).await?;
        frame.clear();
    }
    Ok(())
}

/// Masking keys from the runtime's cryptographic source (RFC 6455, section 10.3), fetched many at a
/// time.
#[derive(Default)]
struct Keys(Vec<MaskingKey>);

impl Keys {
    fn next(&mut self) -> MaskingKey {
        if self.0.is_empty() {
            self.0 = random_bytes::<256>().as_chunks().0.to_vec();
        }
        self.0.pop().unwrap_or_default()
    }
}
