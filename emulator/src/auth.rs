//! Who may call: the service account, the token server, and the check of bearer tokens.

pub mod account;
pub mod assertion;
pub mod scope;
pub mod tokens;
