//! Why an address cannot be listened at.

use std::fmt::Display;
use std::io::{self, ErrorKind};

/// What the system said, with the way out.
#[must_use]
pub fn why_not_listening(address: &impl Display, error: &io::Error) -> String {
    let fix = match error.kind() {
        ErrorKind::AddrInUse => "end the program that has it, or listen at another port",
        ErrorKind::AddrNotAvailable => "no interface of this machine has the address (yet)",
        ErrorKind::PermissionDenied => {
            "ports below 1024 need `AmbientCapabilities=CAP_NET_BIND_SERVICE` in a drop-in of the service; take a higher port"
        }
        _ => "it is tried again",
    };
    format!("cannot listen at {address}: {error}; {fix}")
}
