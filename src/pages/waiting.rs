//! Placeholder.

use crate::lifecycle::Progress;
use crate::vm::Vm;

pub(crate) struct Page {
    pub html: String,
    pub policy: String,
}

pub(crate) async fn waiting_page(vm: &Vm, progress: &Progress) -> Page {
    let html = format!("<!doctype html><title>{}</title>{:?}", vm.instance.name, progress);
    Page { html, policy: "default-src 'none'".to_owned() }
}
