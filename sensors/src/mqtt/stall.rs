//! Notices a broker that has stopped sending because too many messages are unacknowledged.
//!
//! A broker limits the number of unacknowledged messages (mosquitto: `max_inflight_messages`, 20; MQTT does not
//! define a limit). Once that many wait to become durable, the broker stops. A silence proves it that is long beside the
//! usual time between two messages. From then on the broker is known to stop at that number, and durability is wanted
//! as soon as it is reached: the broker's queue grows meanwhile, and drops what finds no room. A message beyond the
//! number disproves it, and a silence has to prove the next one: mosquitto 2.0.11 hands over up to 19 queued messages for
//! each acknowledgement, so that its limit is 20 at one time and hundreds at another.

mod standstill;

use crate::AckFigures;
use standstill::Standstill;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// The usual limit, and the shortest silence that proves that a broker has reached it.
const USUAL: (usize, Duration) = (20, Duration::from_millis(10));

/// The lowest usual limit, of brokers below the usual one; it needs a longer silence as proof.
const LOWEST: (usize, Duration) = (10, Duration::from_secs(1));

/// A silence is a proof if so many messages would usually have come in it.
const MISSED: u32 = 10;

/// The usual time between two messages is a mean over about so many.
const USUAL_OF: u32 = 32;

/// Detects the stop.
pub(super) struct Stall {
    silence: Pin<Box<Sleep>>,
    is_armed: bool,
    /// When the last message came, and the usual time between two.
    last: Instant,
    usual_gap: Duration,
    figures: Rc<AckFigures>,
    standstill: Standstill,
}

impl Stall {
    /// Of a connection that begins; `figures` are for the status.
    pub(super) fn new(figures: Rc<AckFigures>) -> Self {
        figures.reset();
        let standstill = Standstill::new(Instant::now(), figures.stalled());
        let silence = Box::pin(sleep(Duration::ZERO));
        Self {
            silence,
            is_armed: false,
            last: Instant::now(),
            usual_gap: Duration::ZERO,
            figures,
            standstill,
        }
    }

    /// Notes a message; so many are unacknowledged now. Returns whether the broker stops at this one.
    pub(super) fn on_message(&mut self, unacked: usize) -> bool {
        self.figures.held.set(unacked);
        let silence = self.silence_at(Instant::now());
        let window = self.figures.window.get();
        if window == Some(unacked) {
            self.is_armed = false;
            self.stop();
            return true;
        }
        if window.is_some_and(|window| unacked > window) {
            self.figures.window.set(None);
        }
        self.go_on();
        let reached = [(USUAL.0, silence), LOWEST].into_iter().find(|(limit, _)| unacked >= *limit);
        self.is_armed = reached.is_some();
        if let Some((_, silence)) = reached {
            self.silence.as_mut().reset(self.last + silence);
        }
        false
    }

    /// The silence that proves a stop after a message that has come now.
    fn silence_at(&mut self, now: Instant) -> Duration {
        let gap = (now - self.last).min(LOWEST.1);
        self.last = now;
        self.usual_gap = (self.usual_gap * (USUAL_OF - 1) + gap) / USUAL_OF;
        (self.usual_gap * MISSED).clamp(USUAL.1, LOWEST.1)
    }

    /// Notes acknowledgements; so many messages are unacknowledged now.
    pub(super) fn on_acknowledged(&mut self, unacked: usize) {
        self.figures.held.set(unacked);
        if self.figures.window.get().is_none_or(|window| unacked < window) {
            self.is_armed &= unacked > 0;
            self.go_on();
        }
    }

    /// Returns when a silence proves that the broker has stopped (true), or when [`Stall::trouble`] may have news (false).
    pub(super) async fn noticed(&mut self) -> bool {
        tokio::select! {
            () = self.silence.as_mut(), if self.is_armed => {
                self.is_armed = false;
                self.figures.window.set(Some(self.figures.held.get()));
                self.stop();
                true
            }
            () = self.standstill.due(self.figures.is_stopped()) => {
                self.look();
                false
            }
        }
    }

    /// What a person should know, if that is news: `Some(None)` when it is over.
    pub(super) fn trouble(&mut self) -> Option<Option<String>> {
        let stands = self.standstill.news()?;
        let window = self.figures.window.get().filter(|_| stands);
        Some(window.map(|window| {
            format!(
                "the broker stands still most of the time: it sends {window} messages, waits until they are durable, and drops \
                 what its queue has no room for; raise the messages in flight and in the queue that it allows a client \
                 (mosquitto: `max_inflight_messages`, `max_queued_messages`; elsewhere also called receive maximum)"
            )
        }))
    }

    fn stop(&mut self) {
        self.look();
        self.figures.stop();
    }

    fn go_on(&mut self) {
        if self.figures.is_stopped() {
            self.figures.go_on();
            self.look();
        }
    }

    fn look(&mut self) {
        self.standstill.look(Instant::now(), self.figures.stalled());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, timeout};

    fn stall() -> (Stall, Rc<AckFigures>) {
        let figures = Rc::new(AckFigures::default());
        (Stall::new(figures.clone()), figures)
    }

    /// So many messages come, a gap apart, then none: how long the silence is that proves a stop (ms).
    async fn silence_after(messages: usize, gap_ms: u64) -> Option<u128> {
        let (mut stall, figures) = stall();
        for unacked in 1..=messages {
            advance(Duration::from_millis(gap_ms)).await;
            assert!(!stall.on_message(unacked));
        }
        let start = Instant::now();
        let is_stopped =
            timeout(Duration::from_secs(60), stall.noticed()).await.is_ok_and(|is_stopped| is_stopped);
        assert_eq!(figures.window.get(), is_stopped.then_some(messages));
        is_stopped.then(|| start.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_silence_that_is_long_beside_the_usual_gap_is_a_stall() {
        assert_eq!(silence_after(9, 1).await, None);
        assert_eq!(silence_after(10, 1).await, Some(1_000), "there are few brokers with so low a limit");
        assert_eq!(silence_after(20, 1).await, Some(10));
        assert_eq!(silence_after(1_000, 1).await, Some(10));
        let (few, many) = (silence_after(20, 20).await, silence_after(500, 20).await);
        assert!(few > Some(80) && many > Some(190) && many < Some(210), "{few:?} {many:?}");
        assert_eq!(silence_after(500, 500).await, Some(1_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_is_known_is_a_stall_at_once_until_it_is_disproved() {
        let (mut stall, figures) = stall();
        assert!((1..=20).all(|unacked| !stall.on_message(unacked)));
        assert!(stall.noticed().await);
        assert_eq!((figures.held.get(), figures.window.get()), (20, Some(20)));
        advance(Duration::from_millis(30)).await;
        stall.on_acknowledged(3);
        advance(Duration::from_millis(30)).await;
        assert_eq!((figures.held.get(), figures.stalled().as_millis()), (3, 30), "while all were held");
        assert!((4..20).all(|unacked| !stall.on_message(unacked)));
        assert!(stall.on_message(20));
        assert!(!stall.on_message(21));
        assert_eq!(figures.window.get(), None);
        stall.on_acknowledged(0);
        assert!(!stall.on_message(20));
    }
}
