//! Reaches a server over TCP and TLS, for every protocol that speaks through them: whom to trust, who we are, and what
//! went wrong, in words for people.
//!
//! Limits: [`ADDRESSES_MAX`] addresses of a name are tried.

mod explain;
mod files;
mod reach;
mod tls;
mod trust;

pub use explain::{TlsPeer, spaced};
pub use files::TlsFiles;
pub use reach::{ADDRESSES_MAX, reach};
pub use tls::Tls;
