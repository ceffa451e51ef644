//! The waiting page, which a browser shows while the VM starts. One script updates the built-in
//! page and a custom one; it finds its elements by `data-vmproxy`.

use super::custom_page::custom_page;
use super::{escape, fill};
use crate::lifecycle::Progress;
use crate::platform::random;
use crate::vm::Vm;

/// A page, and the `Content-Security-Policy` that it needs.
pub(crate) struct Page {
    pub html: String,
    pub policy: String,
}

/// Returns the page to show while `vm` starts, for a request for `target`, which is the path and
/// query.
pub(crate) async fn waiting_page(vm: &Vm, target: &str, progress: &Progress) -> Page {
    let custom = match &vm.waiting_page_url {
        Some(url) => custom_page(url).await,
        None => None,
    };
    let nonce = format!("{:016x}{:016x}", random(), random());
    let html = filled(custom.as_deref(), vm, target, progress, &nonce);
    // Nothing is loaded, and only the page's own script runs, which connects only to this Worker.
    // The page may be framed (there is no `frame-ancestors`): an app that is embedded in another
    // site would otherwise be blank there while its VM starts, and nothing on the page could be
    // abused by a stolen click.
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'"
    );
    Page { html, policy }
}

/// Returns the page with the script at its end, and with a periodic reload for browsers that run no
/// scripts. A `Refresh` header would reload under the script as well. The reload names the address,
/// because otherwise a browser only jumps to the fragment of an address that has one; "/." keeps
/// "//host" from being another host.
fn filled(custom: Option<&str>, vm: &Vm, target: &str, progress: &Progress, nonce: &str) -> String {
    let words = |name: &str| escape(vm.waiting_page_text(name));
    let color = |name: &str, key: &str| match vm.waiting_page_text(key) {
        "" => String::new(),
        color => [":root { --", name, ": ", &escape(color), "; }"].concat(),
    };
    let value = |name: &str| match name {
        "style" => include_str!("waiting.css").to_owned(),
        "script" => include_str!("waiting.js").to_owned(),
        "accent" => color(name, "accent_color"),
        "paper" => color(name, "background_color"),
        "icon" if vm.waiting_page_text("logo").is_empty() => "data:,".to_owned(),
        "icon" => words("logo"),
        "mark" if vm.waiting_page_text("logo").is_empty() => "<i></i>".to_owned(),
        // The heading below it is its description.
        "mark" => ["<img src=\"", &words("logo"), "\" alt=\"\">"].concat(),
        "now" => words(progress.phase.as_str()),
        "phase" => progress.phase.as_str().to_owned(),
        "elapsed" => progress.elapsed_ms.to_string(),
        "expected" => progress.expected_ms.unwrap_or_default().to_string(),
        "target" => escape(target),
        "nonce" => nonce.to_owned(),
        "vm" => vm.instance.name.clone(),
        name => words(name),
    };
    let script = fill(include_str!("waiting_script.html"), value);
    match custom {
        Some(page) => with_script(page, &script),
        None => with_script(&fill(include_str!("waiting.html"), value), &script),
    }
}

fn with_script(page: &str, script: &str) -> String {
    let tag = b"</body";
    let end = page.as_bytes().windows(tag.len()).rposition(|window| window.eq_ignore_ascii_case(tag));
    let (before, after) = end.and_then(|end| page.split_at_checked(end)).unwrap_or((page, ""));
    [before, script, after].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::Phase;
    use crate::vm::{Instance, WAITING_PAGE};

    const PROGRESS: Progress =
        Progress { phase: Phase::Booting, elapsed_ms: 1500, expected_ms: Some(20_000) };

    fn page(vm: &Vm) -> String {
        filled(None, vm, "/a?b=\"c&d", &PROGRESS, "the-nonce")
    }

    #[test]
    fn the_page_says_how_far_the_start_is() {
        let instance = Instance { name: "backend".into(), ..Instance::default() };
        let page = page(&Vm { instance, ..Vm::default() });
        for part in [
            ">The machine is booting</p>",
            "<script nonce=\"the-nonce\">",
            "content=\"5;url=/./a?b=&quot;c&amp;d\"",
            "data-url=\"/_vmproxy/wait/backend\" data-phase=\"booting\" data-elapsed=\"1500\"",
            "data-expected=\"20000\"",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("{{"), "{page}");
    }

    #[test]
    fn the_page_is_small() {
        let page = page(&Vm::default());
        assert!(page.len() < 15 * 1024, "{}", page.len());
    }

    #[test]
    fn every_setting_is_shown_and_none_breaks_out_of_the_page() {
        let text = |name: &str| format!("</title></style></script>'\"><script>{{{{heading}}}}</body>{name}!");
        let settings = WAITING_PAGE.map(|(name, _)| (name.to_owned(), text(name)));
        let page = page(&Vm { waiting_page: settings.into(), ..Vm::default() });
        for (name, _) in WAITING_PAGE {
            assert!(page.contains(&escape(&text(name))), "{name}");
        }
        for tag in ["<script", "</script", "</style", "</title", "</body"] {
            assert_eq!(page.matches(tag).count(), 1, "{tag}");
        }
    }

    #[test]
    fn the_script_goes_to_the_end_of_any_page() {
        for (page, expected) in [
            ("<body>a</body></html>", "<body>a[]</body></html>"),
            ("<!-- </body> --><BODY>ä</BODY >", "<!-- </body> --><BODY>ä[]</BODY >"),
            ("<p>a", "<p>a[]"),
            ("", "[]"),
        ] {
            assert_eq!(with_script(page, "[]"), expected);
        }
    }
}
