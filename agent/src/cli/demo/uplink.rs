//! The line between the agent and its broker, which is cut for some seconds now and then: an outage to look at.

use std::future::pending;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The first outage begins so long after the start; the introduction names it.
const FIRST: Duration = Duration::from_secs(15);
const OUTAGE: Duration = Duration::from_secs(10);
/// From one outage to the next.
const EVERY: Duration = Duration::from_secs(120);

/// Carries every connection to `port` on this machine, but for the outages. Never returns.
pub(super) async fn carry(listener: TcpListener, port: u16) {
    let mut up = FIRST;
    loop {
        // A connection ends with the line that carries it.
        let _ = timeout(up, carry_all(&listener, port)).await;
        let _ = timeout(OUTAGE, refuse_all(&listener)).await;
        up = EVERY - OUTAGE;
    }
}

async fn carry_all(listener: &TcpListener, port: u16) {
    let mut lines = JoinSet::new();
    while let Ok((mut agent, _)) = listener.accept().await {
        while lines.try_join_next().is_some() {}
        lines.spawn(async move {
            if let Ok(mut broker) = TcpStream::connect(("127.0.0.1", port)).await {
                let _ = tokio::io::copy_bidirectional(&mut agent, &mut broker).await;
            }
        });
    }
    pending().await
}

async fn refuse_all(listener: &TcpListener) {
    while listener.accept().await.is_ok() {
        sleep(Duration::from_millis(50)).await;
    }
    pending().await
}
