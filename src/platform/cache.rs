//! The colo's cache, which all isolates there share: <https://developers.cloudflare.com/workers/runtime-apis/cache/>.
//! It is a no-op on `workers.dev`, and may forget at any time.

use js_sys::Promise;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Headers, Response, ResponseInit};

use super::settled;

// As web-sys has them, but with the exceptions caught that a runtime without a cache throws.
#[wasm_bindgen]
extern "C" {
    type CacheStorage;

    #[wasm_bindgen(thread_local_v2, js_name = caches)]
    static CACHES: CacheStorage;

    #[wasm_bindgen(method, catch)]
    fn open(this: &CacheStorage, name: &str) -> Result<Promise, JsValue>;

    type Cache;

    #[wasm_bindgen(method, catch, js_name = match)]
    fn get(this: &Cache, url: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn put(this: &Cache, url: &str, response: &Response) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn delete(this: &Cache, url: &str) -> Result<Promise, JsValue>;
}

/// The text that is kept under a URL. A cache that fails has none.
pub(crate) async fn kept(url: &str) -> Option<String> {
    let found = settled(cache().await.ok()?.get(url).ok()?).await.ok()?;
    let response: Response = found.dyn_into().ok()?;
    settled(response.text().ok()?).await.ok()?.as_string()
}

/// Keeps a text under a URL, for `seconds` at most.
pub(crate) async fn keep(url: &str, text: &str, seconds: u64) {
    // A cache that fails keeps nothing, which it may do anyway.
    let _ = try_keep(url, text, seconds).await;
}

/// Drops what is kept under a URL.
pub(crate) async fn drop_kept(url: &str) {
    if let Ok(deleted) = cache().await.and_then(|cache| cache.delete(url)) {
        let _ = settled(deleted).await;
    }
}

async fn try_keep(url: &str, text: &str, seconds: u64) -> Result<(), JsValue> {
    let headers = Headers::new()?;
    headers.set("cache-control", &format!("max-age={seconds}"))?;
    let init = ResponseInit::new();
    init.set_headers(&headers);
    let response = Response::new_with_opt_str_and_init(Some(text), &init)?;
    settled(cache().await?.put(url, &response)?).await.map(drop)
}

/// A cache of our own: not the one that answers requests from outside.
async fn cache() -> Result<Cache, JsValue> {
    let opened = CACHES.with(|caches| caches.open("vmproxy"))?;
    Ok(settled(opened).await?.unchecked_into())
}
