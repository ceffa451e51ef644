//! The cache that all isolates of a colo share:
//! <https://developers.cloudflare.com/workers/runtime-apis/cache/>. On `workers.dev` it does
//! nothing, and it may drop entries at any time.

use js_sys::Promise;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Headers, Response, ResponseInit};

use super::await_promise;

// The declarations of web-sys do not catch the exceptions that a runtime without a cache throws.
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

/// Returns the text under a URL. A cache that fails is treated as empty.
pub(crate) async fn get(url: &str) -> Option<String> {
    let found = await_promise(cache().await.ok()?.get(url).ok()?).await.ok()?;
    let response: Response = found.dyn_into().ok()?;
    await_promise(response.text().ok()?).await.ok()?.as_string()
}

/// Stores a text under a URL for at most `seconds`.
pub(crate) async fn put(url: &str, text: &str, seconds: u64) {
    // A cache may drop entries at any time, so a failure makes no difference.
    let _ = try_put(url, text, seconds).await;
}

/// Removes the text under a URL.
pub(crate) async fn remove(url: &str) {
    if let Ok(deleted) = cache().await.and_then(|cache| cache.delete(url)) {
        let _ = await_promise(deleted).await;
    }
}

async fn try_put(url: &str, text: &str, seconds: u64) -> Result<(), JsValue> {
    let headers = Headers::new()?;
    headers.set("cache-control", &format!("max-age={seconds}"))?;
    let init = ResponseInit::new();
    init.set_headers(&headers);
    let response = Response::new_with_opt_str_and_init(Some(text), &init)?;
    await_promise(cache().await?.put(url, &response)?).await.map(drop)
}

/// Opens the proxy's own cache, which never responds to requests from outside.
async fn cache() -> Result<Cache, JsValue> {
    let opened = CACHES.with(|caches| caches.open("vmproxy"))?;
    Ok(await_promise(opened).await?.unchecked_into())
}
