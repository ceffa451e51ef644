//! Authentication to Google's APIs as a service account. The account's key signs a JWT, which is
//! exchanged for an access token or is used as one itself. With that token the account may request
//! a token of another account. Pure: this module does no I/O.
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
pub(crate) use credentials::{Credentials, TokenTransport};
pub use error::AuthError;
pub use key::ServiceAccountKey;
pub use keys::{Keys, KEY, NEXT_KEY};
pub use settings::{Impersonation, Settings};
pub use token::{AccessToken, TokenRequest, TokenResponse};
