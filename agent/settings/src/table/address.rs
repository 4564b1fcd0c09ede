//! Addresses to listen at.

use super::Table;
use std::net::SocketAddr;

impl Table<'_> {
    /// An address and a port to listen at, which must be given; `example` is one.
    pub fn listen(&mut self, key: &str, example: &str) -> Option<SocketAddr> {
        let fix = format!(
            "write an address and a port: `{key} = \"{example}\"`; `0.0.0.0` and `[::]` are all addresses"
        );
        let Some(listen) = self.string(key) else {
            self.missing(key, fix);
            return None;
        };
        let address = listen.value.parse().ok();
        if address.is_none() {
            self.refuse(listen.span, format!("`{key}` cannot be `{}`", listen.value), fix);
        }
        address
    }
}
