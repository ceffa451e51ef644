//! Access to Google's APIs as a service account. A JWT that the account's key signs is exchanged for an access
//! token, or is one itself; with that, a token of another account may be had. Pure: nothing here does I/O.
//!
//! See <https://developers.google.com/identity/protocols/oauth2/service-account>, RFC 7523 and
//! <https://google.aip.dev/auth/4111>.

mod api;
mod assertion;
mod credentials;
mod error;
mod key;
mod keys;
mod rs256;
mod settings;
mod token;

pub use api::Api;
pub use assertion::{sign_assertion, sign_token};
pub(crate) use credentials::{Credentials, Outside};
pub use error::AuthError;
pub use key::ServiceAccountKey;
pub use keys::{Keys, KEY, NEXT_KEY};
pub use settings::{Impersonation, Settings};
pub use token::{AccessToken, TokenAnswer, TokenRequest};
