//! What a person sees in a browser. Pages are whole in themselves: nothing is loaded from anywhere.

mod waiting;

pub(crate) use waiting::waiting_page;

use crate::problem::Problem;

/// Nothing may be loaded, run or framed; the page's own style is all there is.
pub(crate) const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A problem as a page.
pub(crate) fn problem_page(problem: &Problem) -> String {
    include_str!("problem.html")
        .replace("{{title}}", &escape(problem.title))
        .replace("{{detail}}", &escape(&problem.detail))
        .replace("{{status}}", &problem.status.to_string())
}

/// Whether a request is a browser's navigation, which is shown a page: browsers say so themselves
/// (`Sec-Fetch-Mode`), and older ones ask for HTML.
pub(crate) fn is_navigation(method: &str, sec_fetch_mode: Option<&str>, accept: Option<&str>) -> bool {
    match sec_fetch_mode {
        Some(mode) => mode == "navigate",
        None => matches!(method, "GET" | "HEAD") && accept.is_some_and(|accept| accept.contains("text/html")),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_and_cannot_break_out_of_its_page() {
        let problem = Problem {
            status: 502,
            title: "The VM could not be started",
            detail: "<script>alert(\"&\")</script>".to_owned(),
            retry_after: None,
        };
        let page = problem_page(&problem);
        assert!(page.contains("<h1>The VM could not be started</h1>"));
        assert!(page.contains("&lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt;"));
        assert!(!page.contains("{{") && !page.contains("<script"), "{page}");
    }

    #[test]
    fn navigations_are_told_from_everything_else() {
        let html = Some("text/html,application/xhtml+xml,*/*;q=0.8");
        assert!(is_navigation("GET", Some("navigate"), html));
        assert!(is_navigation("POST", Some("navigate"), html));
        assert!(is_navigation("GET", None, html));
        assert!(!is_navigation("GET", Some("cors"), html));
        assert!(!is_navigation("POST", None, html));
        assert!(!is_navigation("GET", None, Some("*/*")));
        assert!(!is_navigation("GET", None, None));
    }
}
