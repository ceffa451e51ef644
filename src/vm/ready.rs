//! How a VM is told where, and with what, it may say that it is ready.

use super::Vm;
use crate::lifecycle::ReadyToken;

const URL: &str = "vmproxy-ready-url";
const TOKEN: &str = "vmproxy-ready-token";

/// Whether a metadata item is the proxy's own: new at each boot, and so never a difference from the configuration.
pub(crate) fn is_ready_item(key: &str) -> bool {
    [URL, TOKEN].contains(&key)
}

impl Vm {
    /// Puts the token of the present boot into the instance's metadata.
    pub(crate) fn announce(&mut self, token: Option<&ReadyToken>) {
        let (Some(base), Some(token)) = (&self.ready_push, token) else { return };
        let url = [base, "/_vmproxy/vms/", &self.instance.name, "/ready"].concat();
        self.instance.metadata.extend([(URL.to_owned(), url), (TOKEN.to_owned(), token.as_str().to_owned())]);
    }
}
