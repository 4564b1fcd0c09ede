//! Detects a broker that has stopped sending because too many messages are unacknowledged.
//!
//! A broker limits the number of unacknowledged messages (mosquitto: `max_inflight_messages`, 20; MQTT does not
//! define a limit). Once that many wait for the next checkpoint, the broker stops: there is a short silence while as
//! many messages are unacknowledged as ever before. Then a checkpoint is requested. More frequent checkpoints would
//! only wear out the disk.

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// The usual limit, and the silence that proves that a broker has reached it.
const USUAL: (usize, Duration) = (20, Duration::from_millis(20));

/// The lowest usual limit, of brokers below the usual one; it needs a longer silence as proof.
const LOWEST: (usize, Duration) = (10, Duration::from_secs(1));

/// Detects the silence.
pub(super) struct Stall {
    silence: Pin<Box<Sleep>>,
    is_armed: bool,
}

impl Stall {
    pub(super) fn new() -> Self {
        Self { silence: Box::pin(sleep(Duration::ZERO)), is_armed: false }
    }

    /// Notes a message; `unacked` messages are unacknowledged now, and at most `most` were.
    pub(super) fn on_message(&mut self, (unacked, most): (usize, usize)) {
        let reached = [USUAL, LOWEST].into_iter().find(|(limit, _)| unacked >= most.max(*limit));
        self.is_armed = reached.is_some();
        if let Some((_, silence)) = reached {
            self.silence.as_mut().reset(Instant::now() + silence);
        }
    }

    /// Returns once when no message has come for a while.
    pub(super) async fn stalled(&mut self) {
        if !self.is_armed {
            return pending().await;
        }
        self.silence.as_mut().await;
        self.is_armed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn only_a_silence_at_the_limit_is_a_stall() {
        let mut stall = Stall::new();
        let mut comes = async |unacked, most| {
            stall.on_message((unacked, most));
            let start = Instant::now();
            timeout(Duration::from_secs(60), stall.stalled())
                .await
                .is_ok()
                .then(|| start.elapsed().as_millis())
        };
        assert_eq!(comes(9, 9).await, None);
        assert_eq!(comes(10, 10).await, Some(1_000));
        assert_eq!(comes(20, 20).await, Some(20));
        assert_eq!(comes(20, 100).await, None, "it has sent more at once before");
        assert_eq!(comes(100, 100).await, Some(20));
    }
}
