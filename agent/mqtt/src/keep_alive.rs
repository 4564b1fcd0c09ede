//! Keep-alive: when to send a ping, and when the broker counts as gone.
//!
//! Source: MQTT 5, 3.1.2.10. A ping is sent when nothing else was sent for the keep-alive time, so that the broker
//! keeps the connection, or when nothing came for as long, so that a silent broker is found out. The connection is
//! lost when nothing has come for one and a half times the keep-alive time; the broker then has had half of it to
//! answer the ping.
//!
//! The time is counted in ticks of a quarter of the keep-alive time, so that no packet needs a look at a clock. A tick
//! that the thread was too busy for is not made up for: what came in the meantime is read before the next one. On a silent
//! connection several ticks are waited for at once, so that it wakes the program less often: all of them from the answer to a
//! ping on. Something that was sent meanwhile may then count as older than it is, and something that came as younger.

use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Ticks without a packet until a ping is due.
const PING_AFTER: u8 = 4;

/// Ticks without a packet from the broker until the connection is lost.
const LOST_AFTER: u8 = 6;

/// The silence on a connection; without a keep-alive time nothing is due.
#[derive(Debug, Default)]
pub(crate) struct KeepAlive {
    ticks: Option<Ticks>,
    unsent: u8,
    unheard: u8,
    /// Whether a ping is due or sent, and neither a tick nor an answer has come since.
    is_asking: bool,
    /// Whether something was sent since the timer began to wait, and whether something came.
    has_sent: bool,
    has_heard: bool,
}

/// A timer that waits for one or several ticks.
#[derive(Debug)]
struct Ticks {
    tick: Duration,
    timer: Interval,
    /// The ticks that it waits for now.
    steps: u8,
}

impl Ticks {
    fn new(tick: Duration) -> Self {
        let mut timer = interval(tick);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        timer.reset();
        Self { tick, timer, steps: 1 }
    }

    fn wait_for(&mut self, steps: u8) {
        self.steps = steps;
        self.timer.reset_after(self.tick * u32::from(steps));
    }
}

/// An action that a silence asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DueAction {
    Ping,
    /// The broker no longer answers.
    GiveUp,
}

impl KeepAlive {
    /// Zero: none.
    pub(crate) fn new(keep_alive: Duration) -> Self {
        let tick = keep_alive / u32::from(PING_AFTER);
        let ticks = (!tick.is_zero()).then(|| Ticks::new(tick));
        Self { ticks, ..Self::default() }
    }

    /// Something was sent.
    pub(crate) fn on_sent(&mut self) {
        self.unsent = 0;
        self.has_sent = true;
    }

    /// Something came from the broker, or it took what it had kept waiting.
    pub(crate) fn on_heard(&mut self) {
        self.unheard = 0;
        self.has_heard = true;
        if std::mem::take(&mut self.is_asking)
            && let Some(ticks) = &mut self.ticks
        {
            // The ping was sent within the last tick.
            (self.has_sent, self.has_heard) = (false, false);
            ticks.wait_for(PING_AFTER);
        }
    }

    /// The next action.
    pub(crate) fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<DueAction> {
        let Some(ticks) = &mut self.ticks else { return Poll::Pending };
        while ticks.timer.poll_tick(context).is_ready() {
            let is_silent = self.unsent > 0 && self.unheard > 0;
            let early = u8::from(std::mem::take(&mut self.has_sent) && ticks.steps == PING_AFTER);
            self.unsent = self.unsent.saturating_add(ticks.steps - early);
            self.is_asking = false;
            self.unheard = if std::mem::take(&mut self.has_heard) {
                1
            } else {
                self.unheard.saturating_add(ticks.steps)
            };
            if self.unheard >= LOST_AFTER {
                return Poll::Ready(DueAction::GiveUp);
            }
            let is_ping_due = self.unsent >= PING_AFTER || self.unheard == PING_AFTER;
            let longest = self.unsent.max(self.unheard);
            let is_long = is_silent && !is_ping_due && longest < PING_AFTER;
            ticks.wait_for(if is_long { PING_AFTER - longest } else { 1 });
            if is_ping_due {
                self.is_asking = true;
                return Poll::Ready(DueAction::Ping);
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{Future as _, poll_fn};
    use std::pin::pin;
    use tokio::time::Instant;

    const KEEP_ALIVE: Duration = Duration::from_secs(20);

    async fn due(keep_alive: &mut KeepAlive) -> (DueAction, Duration) {
        let begun = Instant::now();
        (poll_fn(|context| keep_alive.poll_due(context)).await, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_pinged_once_in_the_time_and_lost_after_half_as_much_again() {
        let mut keep_alive = KeepAlive::new(KEEP_ALIVE);
        for _ in 0..5 {
            assert_eq!(due(&mut keep_alive).await, (DueAction::Ping, KEEP_ALIVE));
            keep_alive.on_sent();
            keep_alive.on_heard();
        }
        assert_eq!(due(&mut keep_alive).await, (DueAction::Ping, KEEP_ALIVE));
        keep_alive.on_sent();
        assert_eq!(due(&mut keep_alive).await, (DueAction::GiveUp, KEEP_ALIVE / 2), "no answer came");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_wakes_the_program_once_in_the_time_and_a_busy_one_is_not_pinged_for_long() {
        let mut keep_alive = KeepAlive::new(KEEP_ALIVE);
        let mut wakes = 0;
        for _ in 0..10 {
            let mut due = pin!(poll_fn(|context| keep_alive.poll_due(context)));
            let counted = poll_fn(|context| {
                wakes += 1;
                due.as_mut().poll(context)
            });
            assert_eq!(counted.await, DueAction::Ping);
            keep_alive.on_sent();
            keep_alive.on_heard();
        }
        // The first ping is waited for tick by tick. Every wait is polled once before it begins.
        assert!(wakes <= 4 + 10 * 2, "{wakes} polls");
        let busy = async {
            loop {
                tokio::select! {
                    _ = due(&mut keep_alive) => panic!("a ping, although something is sent all the time"),
                    () = tokio::time::sleep(KEEP_ALIVE / 8) => keep_alive.on_sent(),
                }
                keep_alive.on_heard();
            }
        };
        assert!(tokio::time::timeout(KEEP_ALIVE * 20, busy).await.is_err(), "it goes on");
    }

    /// What comes and goes at any time: the broker hears something within its time, and is not given up before it is.
    #[tokio::test(start_paused = true)]
    async fn the_broker_is_never_kept_waiting_nor_given_up_too_early() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..300 {
            let mut keep_alive = KeepAlive::new(KEEP_ALIVE);
            let (mut sent, mut heard) = (Instant::now(), Instant::now());
            for _ in 0..30 {
                let next = Duration::from_millis(random.u64(1..30_000));
                tokio::select! {
                    (action, _) = due(&mut keep_alive) => {
                        if action == DueAction::GiveUp {
                            assert!(heard.elapsed() >= KEEP_ALIVE * 5 / 4);
                            break;
                        }
                        assert!(sent.elapsed() <= KEEP_ALIVE * 5 / 4, "{:?}", sent.elapsed());
                        keep_alive.on_sent();
                        sent = Instant::now();
                    }
                    () = tokio::time::sleep(next) => {
                        if random.bool() {
                            keep_alive.on_sent();
                            sent = Instant::now();
                        } else {
                            keep_alive.on_heard();
                            heard = Instant::now();
                        }
                    }
                }
                assert!(sent.elapsed() <= KEEP_ALIVE * 5 / 4, "the broker waits for {:?}", sent.elapsed());
                assert!(heard.elapsed() <= KEEP_ALIVE * 9 / 4, "found out after {:?}", heard.elapsed());
            }
        }
    }
}
