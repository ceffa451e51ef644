//! What the waiting page says, and how it looks.

use super::Vm;

/// The settings of [`Vm::waiting_page`], and what they are when they are not given.
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
    /// A setting of the waiting page.
    pub(crate) fn waiting_words(&self, name: &str) -> &str {
        let default = || WAITING_PAGE.iter().find(|(known, _)| *known == name).map_or("", |(_, words)| words);
        self.waiting_page.get(name).map_or_else(default, String::as_str)
    }
}
