//! Forwarding by `fetch()`, to origins that have a name. The runtime pools the connections and pipes the
//! bodies.

use web_sys::{Request, Response};

use super::headers::{withheld_from_vm, Client};
use super::ForwardError;
use crate::platform::headers::entries;
use crate::platform::{describe, fetch};

/// Sends the request to `base` (scheme and authority) and `target` (path and query).
pub(super) async fn forward(
    base: &str,
    target: &str,
    request: &Request,
    client: &Client,
) -> Result<Response, ForwardError> {
    let outgoing = fetch::readdress(request, &format!("{base}{target}")).map_err(ForwardError::NotSent)?;
    let headers = outgoing.headers();
    for name in withheld_from_vm(&entries(&headers)) {
        headers.delete(&name).map_err(|error| ForwardError::NotSent(describe(&error)))?;
    }
    for (name, value) in client.forwarded() {
        headers.set(&name, &value).map_err(|error| ForwardError::NotSent(describe(&error)))?;
    }
    // fetch() does not tell whether anything was sent before it failed.
    fetch::fetch(&outgoing).await.map_err(ForwardError::NoAnswer)
}
