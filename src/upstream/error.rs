//! Why a VM sent no valid response.

use std::fmt;

use crate::error::Error;

/// Why a VM sent no valid response to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForwardError {
    /// The part that failed, which decides about a retry.
    pub kind: ForwardErrorKind,
    /// The details, for the log.
    pub reason: String,
}

/// The part that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForwardErrorKind {
    /// The connection: nothing was sent.
    Connect,
    /// The VM: the request may have been sent, at least in part, and there was no response.
    NoResponse,
    /// The VM: it took the request, and too long to respond.
    Timeout,
    /// The VM's response, which is not valid.
    InvalidResponse,
    /// The proxy: the request could not be built.
    Internal,
}

use ForwardErrorKind::{Connect, Internal, InvalidResponse, NoResponse, Timeout};

impl ForwardError {
    /// Returns a failure of the connection.
    pub fn connect(reason: String) -> Self {
        Self { kind: Connect, reason }
    }

    /// Returns the failure of a VM that did not respond.
    pub fn no_response(reason: String) -> Self {
        Self { kind: NoResponse, reason }
    }

    /// Returns the failure of a VM that was too slow.
    pub fn timeout(reason: String) -> Self {
        Self { kind: Timeout, reason }
    }

    /// Returns the failure of a VM whose response is not valid.
    pub fn invalid_response(reason: impl Into<String>) -> Self {
        Self { kind: InvalidResponse, reason: reason.into() }
    }

    /// Returns a failure of the proxy.
    pub fn internal(reason: impl Into<String>) -> Self {
        Self { kind: Internal, reason: reason.into() }
    }

    /// Returns whether the request may be sent again: any request of which nothing was sent, and
    /// without a response those that change nothing (RFC 9110, section 9.2.1) and have no body,
    /// which would be used up.
    pub fn is_retryable(&self, method: &str, has_body: bool) -> bool {
        match self.kind {
            Connect => true,
            NoResponse => !has_body && matches!(method, "GET" | "HEAD" | "OPTIONS"),
            Timeout | InvalidResponse | Internal => false,
        }
    }

    /// Returns whether the VM may be down, or elsewhere. A VM that is slow or responds with
    /// nonsense is where it was.
    pub fn implicates_vm(&self) -> bool {
        matches!(self.kind, Connect | NoResponse)
    }

    /// Returns the error of a request to this VM.
    pub fn into_error(self, vm: &str) -> Error {
        let (vm, reason) = (vm.to_owned(), self.reason);
        match self.kind {
            Timeout => Error::ResponseTimeout { vm, reason },
            Connect | NoResponse | InvalidResponse => Error::NoValidResponse { vm, reason },
            Internal => Error::Internal(reason),
        }
    }
}

impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_do_harm_is_sent_again() {
        for (kind, method, has_body, expected) in [
            (Connect, "POST", true, true),
            (NoResponse, "GET", false, true),
            (NoResponse, "HEAD", false, true),
            (NoResponse, "OPTIONS", false, true),
            (NoResponse, "GET", true, false),
            (NoResponse, "POST", false, false),
            (NoResponse, "DELETE", false, false),
            (Timeout, "GET", false, false),
            (InvalidResponse, "GET", false, false),
            (Internal, "GET", false, false),
        ] {
            let error = ForwardError { kind, reason: "r".to_owned() };
            assert_eq!(error.is_retryable(method, has_body), expected, "{error:?} {method} {has_body}");
        }
    }

    #[test]
    fn a_vm_is_searched_for_only_if_it_may_be_down() {
        let error = |kind| ForwardError { kind, reason: "r".to_owned() };
        assert!([Connect, NoResponse].into_iter().all(|kind| error(kind).implicates_vm()));
        assert!(![Timeout, InvalidResponse, Internal].into_iter().any(|kind| error(kind).implicates_vm()));
    }

    #[test]
    fn a_fault_of_the_proxy_is_not_the_vms() {
        assert_eq!(ForwardError::internal("r").into_error("a"), Error::Internal("r".to_owned()));
    }
}
