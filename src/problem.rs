//! Error responses (RFC 9457).

/// A problem, as any client may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The kind of problem.
    pub title: &'static str,
    /// The explanation of this occurrence.
    pub detail: String,
    /// The number of seconds after which a retry may succeed.
    pub retry_after: Option<u64>,
}

impl Problem {
    /// Returns the problem of a path that leads nowhere.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self { status: 404, title: "Not found", detail: detail.into(), retry_after: None }
    }

    /// Returns the problem of a wrong configuration, whose details only the log has.
    pub fn misconfigured() -> Self {
        Self {
            status: 500,
            title: "The proxy is misconfigured",
            detail: "Its operator finds the reason in the log.".to_owned(),
            retry_after: None,
        }
    }
}
