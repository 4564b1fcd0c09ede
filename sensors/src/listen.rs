//! Addresses that sources listen at.

use crate::{ConnectionState, Finding, Sink};
use headwater_settings::Table;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::sleep;

/// The time between two attempts to listen: the address may come later than the agent.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Reads `listen`, an address and a port; `None`: there were mistakes.
pub(crate) fn read_listen(table: &mut Table<'_>, example: &str) -> Option<SocketAddr> {
    let fix = format!(
        "write an address and a port: `listen = \"{example}\"`; `0.0.0.0` and `[::]` are all addresses"
    );
    let Some(listen) = table.string("listen") else {
        table.missing("listen", fix);
        return None;
    };
    let address = listen.value.parse().ok();
    if address.is_none() {
        table.refuse(listen.span, format!("`listen` cannot be `{}`", listen.value), fix);
    }
    address
}

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
            sink.connection(ConnectionState::Down { reason: &explain(&address, &error) });
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
        _ => Finding::Fails(explain(&address, error)),
    }
}

fn explain(address: &impl std::fmt::Display, error: &io::Error) -> String {
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
