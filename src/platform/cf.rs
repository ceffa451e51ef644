//! Properties that Cloudflare adds to a request:
//! [`request.cf`](https://developers.cloudflare.com/workers/runtime-apis/request/#incomingrequestcfproperties).

use js_sys::Reflect;
use wasm_bindgen::JsValue;
use web_sys::Request;

use super::headers::value;

/// Returns the client's country. A Worker that is called by another Worker gets it in a header.
pub(crate) fn country(request: &Request) -> Option<String> {
    match property(request, "cf") {
        Some(cf) => property(&cf, "country")?.as_string(),
        None => value(&request.headers(), "cf-ipcountry"),
    }
}

/// Returns whether the request comes from a bot that Cloudflare [has
/// verified](https://developers.cloudflare.com/bots/concepts/bot/verified-bots/). Each of
/// Cloudflare's bot products adds the category; only Bot Management (Enterprise) adds the flag
/// itself. Webhook callers do not count: they act on behalf of a user.
pub(crate) fn is_of_verified_bot(request: &Request) -> bool {
    let Some(cf) = property(request, "cf") else { return false };
    let category = property(&cf, "verifiedBotCategory").and_then(|category| category.as_string());
    match category.filter(|category| !category.is_empty()) {
        Some(category) => category != "Webhooks",
        None => {
            let management = property(&cf, "botManagement");
            management.and_then(|bots| property(&bots, "verifiedBot")).is_some_and(|is| is.is_truthy())
        }
    }
}

fn property(of: &JsValue, name: &str) -> Option<JsValue> {
    let value = Reflect::get(of, &JsValue::from_str(name)).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}
