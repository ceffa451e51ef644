//! Authentication: the service accounts, the token servers, and the check of bearer tokens.

pub mod account;
pub mod assertion;
pub mod impersonation;
pub mod scope;
pub mod tokens;
