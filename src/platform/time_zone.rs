//! Time zones. The runtime keeps its table up to date, so the program needs none.

use std::cell::RefCell;

use js_sys::{Object, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::JsValue;

use crate::schedule::{parse_offset, Offset};
use crate::time::Timestamp;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Intl)]
    #[derive(Clone)]
    type DateTimeFormat;

    /// Throws if the zone is unknown.
    #[wasm_bindgen(constructor, catch, js_namespace = Intl)]
    fn new(locale: &str, options: &Object) -> Result<DateTimeFormat, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn format(this: &DateTimeFormat, milliseconds: f64) -> Result<String, JsValue>;
}

thread_local! {
    /// Creating a format takes a thousand times as long as using it.
    static FORMATS: RefCell<Vec<(String, DateTimeFormat)>> = const { RefCell::new(Vec::new()) };
}

/// Returns whether the zone exists.
pub(crate) fn is_zone(name: &str) -> bool {
    format(name).is_some()
}

/// Returns the zone's offset from UTC at an instant; `None` means that the zone is unknown.
pub(crate) fn offset(zone: &str, at: Timestamp) -> Option<Offset> {
    let text = format(zone)?.format(at.as_millis() as f64).ok()?;
    parse_offset(&text)
}

fn format(zone: &str) -> Option<DateTimeFormat> {
    FORMATS.with_borrow_mut(|formats| {
        if let Some((_, format)) = formats.iter().find(|(known, _)| known == zone) {
            return Some(format.clone());
        }
        let options = Object::new();
        let set = |key: &str, value: &str| Reflect::set(&options, &key.into(), &value.into()).ok();
        set("timeZone", zone)?;
        set("timeZoneName", "longOffset")?;
        let format = DateTimeFormat::new("en", &options).ok()?;
        formats.push((zone.to_owned(), format.clone()));
        Some(format)
    })
}
