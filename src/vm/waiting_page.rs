//! The texts and the appearance of the waiting page.

use super::Vm;

/// The settings of [`Vm::waiting_page`] and their defaults.
pub const WAITING_PAGE: [(&str, &str); 21] = [
    ("lang", "en"),
    ("title", "One moment"),
    ("heading", "Waking up"),
    ("text", "Nobody was here for a while, so this site went to sleep. It opens by itself."),
    ("logo", ""),
    ("accent_color", ""),
    ("background_color", ""),
    ("asking", "Asking Google Cloud"),
    ("starting", "Starting the machine"),
    ("booting", "The machine is booting"),
    ("app", "Waiting for the application"),
    ("ready", "Ready, opening it"),
    ("remaining", "About {time} left"),
    ("overdue", "Taking longer than usual"),
    ("offline", "No connection, trying again"),
    ("retry", "Try again"),
    ("retry_in", "Try again in {time}"),
    ("failed", ""),
    ("failed_text", ""),
    ("stuck", "It does not come up"),
    ("stuck_text", "It was tried several times within a minute."),
];

impl Vm {
    /// Returns a setting of the waiting page, or its default.
    pub(crate) fn waiting_page_text(&self, name: &str) -> &str {
        let default = || WAITING_PAGE.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text);
        self.waiting_page.get(name).map_or_else(default, String::as_str)
    }
}
