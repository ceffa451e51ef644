//! A waiting page of the operator's own (`waiting_page_url`), which is fetched now and then.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::platform::fetch::Fetcher;
use crate::platform::now;
use crate::time::Timestamp;

/// How long an isolate shows a page before it looks at it again.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// How long a server that gave no page is left alone.
const PAUSE: Duration = Duration::from_secs(30);

/// How long a visitor, who would see the built-in page at once, may wait for another one.
const PATIENCE: Duration = Duration::from_secs(2);

const LARGEST: usize = 64 * 1024;

struct Held {
    url: String,
    page: Option<Rc<str>>,
    until: Timestamp,
}

thread_local! {
    static PAGES: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

/// The page at `url`, or none if there never was any.
pub(super) async fn own_page(url: &str) -> Option<Rc<str>> {
    let held = PAGES.with_borrow(|pages| {
        let held = pages.iter().find(|held| held.url == url);
        held.map(|held| (held.page.clone(), held.until))
    });
    let before = match held {
        Some((page, until)) if now() < until => return page,
        Some((page, _)) => page,
        None => None,
    };
    let (page, pause) = match fetched(url).await {
        Ok(page) => (Some(page.into()), FRESH),
        Err(reason) => {
            worker::console_error!("vmproxy: no waiting page at {url}: {reason}");
            (before, PAUSE)
        }
    };
    let held = Held { url: url.to_owned(), page: page.clone(), until: now() + pause };
    PAGES.with_borrow_mut(|pages| {
        pages.retain(|held| held.url != url);
        pages.push(held);
    });
    page
}

async fn fetched(url: &str) -> Result<String, String> {
    let answer = Fetcher::Worker.exchange("GET", url, &[("accept", "text/html")], None, PATIENCE).await?;
    checked(answer.status, &answer.content_type().unwrap_or_default(), answer.body)
}

fn checked(status: u16, content_type: &str, page: String) -> Result<String, String> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    match () {
        () if status != 200 => Err(format!("it answers {status}")),
        () if !kind.eq_ignore_ascii_case("text/html") => Err(format!("{content_type:?} is not text/html")),
        () if page.len() > LARGEST => Err(format!("{} bytes are too many: {LARGEST} at most", page.len())),
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
            (301, "text/html", page(), "it answers 301"),
            (200, "", page(), "\"\" is not text/html"),
            (200, "application/json", page(), "\"application/json\" is not text/html"),
            (200, "text/html", "a".repeat(LARGEST + 1), "65537 bytes are too many: 65536 at most"),
        ] {
            assert_eq!(checked(status, kind, page).unwrap_err(), reason);
        }
    }
}
