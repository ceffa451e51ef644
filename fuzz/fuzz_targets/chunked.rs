#![no_main]

// The module itself: what it has is not for the crate's users.
#[allow(dead_code, unused_imports)]
#[path = "../../src/http/http1/mod.rs"]
mod http1;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| http1::properties::chunks_are_decoded_safely(bytes));
