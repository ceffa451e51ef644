//! Fingerprints, by which a client shows that it has seen what it changes:
//! <https://cloud.google.com/compute/docs/metadata/setting-custom-metadata#optimistic_locking>.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::prelude::{Engine, BASE64_STANDARD};
use serde_json::{json, Value};

/// Eight bytes that change with the content. What holds its last fingerprint always gets a new one.
pub fn fingerprint(content: &Value) -> Value {
    let mut hasher = DefaultHasher::new();
    content.to_string().hash(&mut hasher);
    json!(BASE64_STANDARD.encode(hasher.finish().to_be_bytes()))
}
