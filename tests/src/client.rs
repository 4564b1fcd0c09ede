//! A blocking connection to a broker on loopback.

use crate::wire::{Connect, Packet, read};
use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long one read or write may take.
const STALL: Duration = Duration::from_secs(20);

/// Connects once and says whether the broker has a session for the client.
///
/// # Errors
/// The stream's own, and `PermissionDenied` with the code when the broker declines.
pub fn connect(port: u16, who: &Connect<'_>) -> io::Result<(TcpStream, bool)> {
    let mut stream = TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), STALL)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))?;
    stream.write_all(&who.encode())?;
    match read(&mut stream)? {
        Packet::ConnAck { session_present, code: 0 } => Ok((stream, session_present)),
        other => {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("the broker answered {other:?}")))
        }
    }
}
