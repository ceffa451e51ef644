//! Fingerprints, by which a client proves that it has read the current value:
//! <https://cloud.google.com/compute/docs/metadata/setting-custom-metadata#optimistic_locking>.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::prelude::{Engine, BASE64_STANDARD};
use serde_json::{json, Value};

/// Returns eight bytes that change with the content. Content that includes its last fingerprint
/// always gets a new one.
pub fn fingerprint(content: &Value) -> Value {
    let mut hasher = DefaultHasher::new();
    content.to_string().hash(&mut hasher);
    json!(BASE64_STANDARD.encode(hasher.finish().to_be_bytes()))
}
