//! Addresses that sources listen at.

use crate::{ConnectionState, Finding, Sink};
use headwater_http::why_not_listening;
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio::time::sleep;

/// The time between two attempts to listen: the address may come later than the agent.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Listens as soon as that is possible, and says why it is not.
pub(crate) async fn bind_again<S>(
    address: impl std::fmt::Display,
    sink: &mut dyn Sink,
    bind: impl Fn() -> io::Result<S>,
) -> S {
    let mut told = None;
    loop {
        let error = match bind() {
            Ok(socket) => return socket,
            Err(error) => error,
        };
        if told != Some(error.kind()) {
            sink.connection(ConnectionState::Down { reason: &why_not_listening(&address, &error) });
            told = Some(error.kind());
        }
        sleep(LISTEN_AGAIN).await;
    }
}

/// What a probe finds where it cannot listen: mostly the agent itself does.
pub(crate) fn taken(address: impl std::fmt::Display, error: &io::Error) -> Finding {
    match error.kind() {
        ErrorKind::AddrInUse => {
            Finding::Note(format!("{address} is taken: by the running agent, or by another program"))
        }
        _ => Finding::Fails(why_not_listening(&address, error)),
    }
}
