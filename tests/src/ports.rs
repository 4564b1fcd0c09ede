//! Free ports of loopback for servers of tests. The tests of other crates take this file in by its path, because a crate of its own
//! would be more than it holds.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A free port of loopback below the ephemeral range, so that no client is given it by chance.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    free_listener().local_addr().expect("an address").port()
}

/// A listener at a port of loopback that nothing used before: whoever keeps it loses it to nobody.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_listener() -> TcpListener {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 18_000;
    const COUNT: u16 = 14_000; // up to 32,000, where the ephemeral range begins
    let start = u16::try_from(std::process::id() % 1_000).unwrap_or(0).wrapping_mul(61);
    let free = (0..COUNT).find_map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(start) % COUNT;
        TcpListener::bind(("127.0.0.1", FIRST + step)).ok()
    });
    free.expect("a free port on loopback")
}
