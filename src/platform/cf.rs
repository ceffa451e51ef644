//! What Cloudflare says of a request:
//! [`request.cf`](https://developers.cloudflare.com/workers/runtime-apis/request/#incomingrequestcfproperties).

use js_sys::Reflect;
use wasm_bindgen::JsValue;
use web_sys::Request;

use super::headers::value;

/// The country that the client is in. A header says the same to a Worker that is called by another.
pub(crate) fn country(request: &Request) -> Option<String> {
    match property(request, "cf") {
        Some(cf) => property(&cf, "country")?.as_string(),
        None => value(&request.headers(), "cf-ipcountry"),
    }
}

/// Whether a bot has sent it that Cloudflare
/// [has verified](https://developers.cloudflare.com/bots/concepts/bot/verified-bots/): with any of its bot products it
/// names the category, with Bot Management (Enterprise) it says so by itself. One that calls webhooks does what its
/// user has told it to.
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
