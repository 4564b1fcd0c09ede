//! What a run that is stopped leaves to the next one: messages on the disk and a last checkpoint. Where the disk does not
//! take the messages in time, the journal keeps them.

use crate::engine::Engine;
use headwater_forwarder::{Account, Message};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A stop takes no longer than this: less than the unit's `TimeoutStopSec`, whatever the disk and the uplink do.
const STOP: Duration = Duration::from_secs(26);

/// Of that, messages have so long to be on the disk, and
const SAFE: Duration = Duration::from_secs(12);

/// the last checkpoint, which takes two syncs, so long.
const SAVED: Duration = Duration::from_secs(24);

/// Outputs have so long to send what waits and to say farewell, and
const FAREWELL: Duration = Duration::from_secs(5);

/// so long if the disk has not taken the messages: the checkpoint is still to come.
const SHORT_FAREWELL: Duration = Duration::from_secs(3);

const NOT_IN_TIME: &str = "the disk does not take it in time";

/// Saves the state and the messages of a stop that has begun at `start`, and says farewell to the outputs. Nothing more is
/// made. `checkpoint_ms` is the interval of checkpoints.
pub(super) async fn save(engine: &Engine, checkpoint_ms: i64, start: Instant) {
    let forwarder = engine.forwarder();
    // Whatever happens to the farewell, the next run goes on from here.
    let is_safe = forwarder.write_down(start + SAFE).await;
    let saved = if is_safe { write_last(engine, start + SAVED).await } else { Err(NOT_IN_TIME.to_owned()) };
    let farewell = if is_safe { FAREWELL } else { SHORT_FAREWELL };
    let is_written = forwarder.stop((Instant::now() + farewell).min(start + STOP)).await;
    if !is_written && leave(engine, &forwarder.unwritten(), checkpoint_ms, start + STOP).await {
        return;
    }
    // Messages that were acknowledged or lost since then are in no account yet.
    let is_known = saved.as_ref().is_ok_and(|known| *known == engine.message_account());
    let saved = if is_known { saved } else { write_last(engine, start + STOP).await.or(saved) };
    match saved {
        Ok(_) => engine.remove_journal(),
        Err(why) => tracing::error!("cannot write the last checkpoint: {why}"),
    }
}

/// Leaves messages that are on no disk to the next run. False: nothing keeps them, and they are lost.
async fn leave(engine: &Engine, messages: &[Message], checkpoint_ms: i64, deadline: Instant) -> bool {
    let count = messages.len();
    let said = format!("{count} messages could neither be sent nor written to disk");
    if engine.must_make_again(messages) {
        tracing::error!("{said}: the next run makes them again");
        return true;
    }
    // Not the last one: it knows that messages wait that are not on the disk.
    let snapshot = engine.snapshot(Some(checkpoint_ms));
    if !engine.keep(messages) {
        tracing::error!("{said}, and are lost");
        engine.forwarder().lose_unwritten();
        return false;
    }
    tracing::error!("{said}: the journal keeps them for the next run");
    match timeout_at(deadline, engine.write(snapshot)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!("cannot write the checkpoint: {error}"),
        Err(_) => tracing::error!("cannot write the checkpoint: {NOT_IN_TIME}"),
    }
    true
}

/// Writes a checkpoint that nothing comes after, by a deadline; answers the messages' account that it knows of.
async fn write_last(engine: &Engine, deadline: Instant) -> Result<Account, String> {
    let account = engine.message_account();
    match timeout_at(deadline, engine.write(engine.snapshot(None))).await {
        Ok(Ok(_)) => Ok(account),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(NOT_IN_TIME.to_owned()),
    }
}
