//! The wait of a source whose input keeps what it holds: nothing of it need be given up because it comes too fast.

use crate::Sink;
use std::time::Duration;

/// The disk makes room in some milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Lets others have their turn, and waits for the sink to have room.
pub(crate) async fn room(sink: &dyn Sink) {
    tokio::task::yield_now().await;
    while !sink.has_room() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
