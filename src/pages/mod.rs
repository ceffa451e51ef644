//! Pages for browsers. They are self-contained: nothing is loaded from elsewhere.

mod custom_page;
mod respond;
mod waiting;

pub(crate) use respond::{error_details, problem_details, respond};
pub(crate) use waiting::waiting_page;

use crate::problem::Problem;

/// Allows nothing but the page's own style and its empty icon. Without the icon a browser would
/// request one, and so wake the VM again.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Returns a problem as a page.
fn problem_page(problem: &Problem) -> String {
    fill(include_str!("problem.html"), |name| match name {
        "title" => escape(problem.title),
        "detail" => escape(&problem.detail),
        "status" => problem.status.to_string(),
        // These problems pass. An empty reference is the page's own address, with its query.
        "again" if matches!(problem.status, 502..=504) => "<p><a href=\"\">Try again</a></p>".to_owned(),
        _ => String::new(),
    })
}

/// Returns whether a request is a browser's navigation, which gets a page: browsers send
/// `Sec-Fetch-Mode`, and older ones accept HTML.
pub(crate) fn is_navigation(method: &str, sec_fetch_mode: Option<&str>, accept: Option<&str>) -> bool {
    match sec_fetch_mode {
        Some(mode) => mode == "navigate",
        None => matches!(method, "GET" | "HEAD") && accept.is_some_and(|accept| accept.contains("text/html")),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Replaces a template's placeholders, `{{name}}`. Placeholders within the values are left alone.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut parts = template.split("{{");
    let mut page = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
        page.push_str(&value(name));
        page.push_str(rest);
    }
    page
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
    fn trying_again_is_offered_where_it_may_help() {
        for (status, is_offered) in
            [(404, false), (405, false), (500, false), (502, true), (503, true), (504, true)]
        {
            let problem = Problem { status, title: "T", detail: "D".to_owned(), retry_after: None };
            assert_eq!(problem_page(&problem).contains("<a href=\"\">"), is_offered, "{status}");
        }
    }

    #[test]
    fn what_is_filled_in_is_left_alone() {
        let value = |name: &str| format!("[{name}|{{{{a}}}}]");
        assert_eq!(fill("{{a}}-{{b}}{c}", value), "[a|{{a}}]-[b|{{a}}]{c}");
        assert_eq!(fill("none", value), "none");
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
