//! A waiting page of the operator's own (`waiting_page_url`), which is fetched from time to time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::error::Level;
use crate::platform::fetch::Fetcher;
use crate::platform::log::log;
use crate::platform::now;
use crate::time::Timestamp;

/// The time for which an isolate shows a page before it fetches the page again.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The pause after a failed fetch.
const PAUSE: Duration = Duration::from_secs(30);

/// The time for which a visitor may wait for the custom page, since the built-in page would be
/// shown at once.
const TIMEOUT: Duration = Duration::from_secs(2);

const LARGEST: usize = 64 * 1024;

struct CachedPage {
    url: String,
    page: Option<Rc<str>>,
    expires_at: Timestamp,
}

thread_local! {
    static PAGES: RefCell<Vec<CachedPage>> = const { RefCell::new(Vec::new()) };
}

/// Returns the page at `url`; `None` means that there never was one.
pub(super) async fn custom_page(url: &str) -> Option<Rc<str>> {
    let cached = PAGES.with_borrow(|pages| {
        let cached = pages.iter().find(|cached| cached.url == url);
        cached.map(|cached| (cached.page.clone(), cached.expires_at))
    });
    let before = match cached {
        Some((page, expires_at)) if now() < expires_at => return page,
        Some((page, _)) => page,
        None => None,
    };
    let (page, pause) = match fetched(url).await {
        Ok(page) => (Some(page.into()), LIFETIME),
        Err(reason) => {
            log(Level::Error, &format_args!("no waiting page at {url}: {reason}"));
            (before, PAUSE)
        }
    };
    let cached = CachedPage { url: url.to_owned(), page: page.clone(), expires_at: now() + pause };
    PAGES.with_borrow_mut(|pages| {
        pages.retain(|cached| cached.url != url);
        pages.push(cached);
    });
    page
}

async fn fetched(url: &str) -> Result<String, String> {
    let exchanged = Fetcher::Worker.exchange("GET", url, &[("accept", "text/html")], None, TIMEOUT).await?;
    checked(exchanged.status, &exchanged.content_type().unwrap_or_default(), exchanged.body)
}

fn checked(status: u16, content_type: &str, page: String) -> Result<String, String> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    match () {
        () if status != 200 => Err(format!("the server responds {status}")),
        () if !kind.eq_ignore_ascii_case("text/html") => Err(format!("{content_type:?} is not text/html")),
        () if page.len() > LARGEST => {
            Err(format!("{} bytes are too many; at most {LARGEST} are allowed", page.len()))
        }
        () => Ok(page),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_of_html_is_taken() {
        let page = || "<p>".to_owned();
        for kind in ["text/html", "text/html; charset=utf-8", "Text/HTML"] {
            assert_eq!(checked(200, kind, page()), Ok(page()), "{kind}");
        }
        for (status, kind, page, reason) in [
            (301, "text/html", page(), "the server responds 301"),
            (200, "", page(), "\"\" is not text/html"),
            (200, "application/json", page(), "\"application/json\" is not text/html"),
            (
                200,
                "text/html",
                "a".repeat(LARGEST + 1),
                "65537 bytes are too many; at most 65536 are allowed",
            ),
        ] {
            assert_eq!(checked(status, kind, page).unwrap_err(), reason);
        }
    }
}
