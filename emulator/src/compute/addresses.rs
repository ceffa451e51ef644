//! Static external addresses: <https://cloud.google.com/compute/docs/reference/rest/v1/addresses>.

use std::net::IpAddr;

use serde_json::{json, Map, Value};

use super::fingerprint::fingerprint;
use super::labels;
use super::object::set_default;
use crate::error::ApiError;

/// Checks the body of `addresses.insert` and returns the resource that gets this address.
///
/// # Errors
/// Returns an error if the body is invalid or asks for something that the emulator does not
/// support.
pub fn definition(mut body: Map<String, Value>, address: IpAddr) -> Result<Map<String, Value>, ApiError> {
    for (name, only) in [("addressType", "EXTERNAL"), ("ipVersion", "IPV4")] {
        set_default(&mut body, name, json!(only));
        if body[name] != only {
            return Err(ApiError::not_implemented(&format!(
                "static addresses whose {name} is {}",
                body[name]
            )));
        }
    }
    if body.contains_key("address") {
        return Err(ApiError::not_implemented("the choice of a static address"));
    }
    body.remove("ipVersion");
    set_default(&mut body, "networkTier", json!("PREMIUM"));
    body.insert("address".into(), json!(address));
    labels::check(body.get("labels"))?;
    let labels = fingerprint(body.get("labels").unwrap_or(&Value::Null));
    body.insert("labelFingerprint".into(), labels);
    Ok(body)
}
