//! What a client is told when it cannot have what it asked for: problem details (RFC 9457).

/// A problem, in words that anybody may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What kind of problem it is.
    pub title: &'static str,
    /// What the client can make of it.
    pub detail: String,
    /// After how many seconds it may be worth asking again.
    pub retry_after: Option<u64>,
}

impl Problem {
    /// There is nothing here.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self { status: 404, title: "Not found", detail: detail.into(), retry_after: None }
    }

    /// The proxy is not set up rightly; how is only in the log.
    pub fn misconfigured() -> Self {
        Self {
            status: 500,
            title: "The proxy is misconfigured",
            detail: "Its operator finds the reason in the log.".to_owned(),
            retry_after: None,
        }
    }
}
