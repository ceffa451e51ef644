//! Access to Google's APIs as a service account: a signed assertion (JWT, RS256) is exchanged for an access
//! token. Pure: nothing here does I/O.
//!
//! See <https://developers.google.com/identity/protocols/oauth2/service-account> and RFC 7523.

mod assertion;
mod error;
mod key;
mod token;

pub use assertion::{sign_assertion, SCOPE};
pub use error::AuthError;
pub use key::ServiceAccountKey;
pub use token::{AccessToken, TokenRequest};
