//! A TCP connection to the first address of a name that answers.

use std::io;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// The most addresses of a name that are tried.
pub const ADDRESSES_MAX: usize = 4;

/// The first address that answers. None but the last may use up the time limit. Small writes go out at once: with Nagle's
/// algorithm, acknowledgements wait for one another.
///
/// # Errors
/// What the last address said; [`io::ErrorKind::TimedOut`]: nothing.
pub async fn reach(host: &str, port: u16, limit: Duration) -> io::Result<TcpStream> {
    let addresses: Vec<_> = lookup_host((host, port)).await?.take(ADDRESSES_MAX).collect();
    let share = limit / u32::try_from(addresses.len() + 1).unwrap_or(1);
    let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "a name without an address");
    for (position, address) in addresses.iter().enumerate() {
        let is_last = position + 1 == addresses.len();
        match timeout(if is_last { limit } else { share }, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failure)
}
