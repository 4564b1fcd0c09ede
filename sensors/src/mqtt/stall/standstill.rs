//! Whether a broker stands still most of the time, so that its queue grows.
//!
//! A broker with a small limit stops again and again, for as long as a sync takes, and loses nothing by that. Where it
//! stands still for [`MUCH`] of an interval, more comes than is acknowledged.

use std::future::pending;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The interval that is looked at. A broker that keeps 1,000 messages fills up in a second at 1,000 messages a second.
const INTERVAL: Duration = Duration::from_millis(400);

/// The share of an interval that is trouble, and the share below which it is over.
const MUCH: f64 = 0.75;
const LITTLE: f64 = 0.5;

/// So many intervals in a row with little of it are the end of the trouble.
const CALM_INTERVALS: u32 = 25;

/// The share of time in which a broker stands still.
pub(super) struct Standstill {
    /// The beginning of the interval, and how long the broker had stood still by then.
    began: Instant,
    stood: Duration,
    is_trouble: bool,
    calm: u32,
    is_news: bool,
}

impl Standstill {
    pub(super) fn new(now: Instant, stood: Duration) -> Self {
        Self { began: now, stood, is_trouble: false, calm: 0, is_news: false }
    }

    /// Returns at the end of an interval that may be news; `is_stopped`: the broker stands still now.
    pub(super) async fn due(&self, is_stopped: bool) {
        if !is_stopped && !self.is_trouble {
            return pending().await;
        }
        sleep_until(self.began + INTERVAL).await;
    }

    /// Judges the interval if it has ended; `stood` is how long the broker has stood still by now.
    pub(super) fn look(&mut self, now: Instant, stood: Duration) {
        let length = now - self.began;
        if length < INTERVAL {
            return;
        }
        let share = stood.saturating_sub(self.stood).as_secs_f64() / length.as_secs_f64();
        (self.began, self.stood) = (now, stood);
        self.calm = if share < LITTLE { self.calm + 1 } else { 0 };
        let was_trouble = self.is_trouble;
        self.is_trouble = share >= MUCH || was_trouble && self.calm < CALM_INTERVALS;
        self.is_news |= self.is_trouble != was_trouble;
    }

    /// Whether it stands still most of the time, if that is news.
    pub(super) fn news(&mut self) -> Option<bool> {
        std::mem::take(&mut self.is_news).then_some(self.is_trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cycles of 20 ms, for so many seconds after so many others, in which the broker stands still for so long of each.
    struct Cycles {
        standstill: Standstill,
        start: Instant,
        stood: Duration,
        cycle: u32,
    }

    impl Cycles {
        /// The news, and after how many milliseconds it came.
        fn run(&mut self, seconds: u32, still_ms: u64) -> Vec<(bool, u32)> {
            let (mut news, first) = (Vec::new(), self.cycle);
            for cycle in 1..=seconds * 50 {
                self.cycle += 1;
                self.stood += Duration::from_millis(still_ms);
                self.standstill.look(self.start + Duration::from_millis(20) * self.cycle, self.stood);
                news.extend(self.standstill.news().map(|stands| (stands, cycle * 20)));
            }
            assert_eq!(self.cycle - first, seconds * 50);
            news
        }
    }

    #[test]
    fn only_most_of_the_time_is_trouble_and_it_lasts_until_there_is_little() {
        let start = Instant::now();
        let standstill = Standstill::new(start, Duration::ZERO);
        let mut cycles = Cycles { standstill, start, stood: Duration::ZERO, cycle: 0 };
        assert_eq!(cycles.run(100, 12), [], "it stops, and keeps up");
        assert_eq!(cycles.run(100, 19), [(true, 400)]);
        assert_eq!(cycles.run(100, 12), []);
        assert_eq!(cycles.run(100, 2), [(false, 10_000)]);
        assert_eq!(cycles.run(100, 0), []);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_go_on_at_all_is_trouble() {
        let start = Instant::now();
        let mut standstill = Standstill::new(start, Duration::ZERO);
        tokio::time::advance(Duration::from_secs(60)).await;
        standstill.look(Instant::now(), Duration::ZERO);
        standstill.due(true).await;
        let waited = start.elapsed() - Duration::from_secs(60);
        assert!((INTERVAL..2 * INTERVAL).contains(&waited), "{waited:?}");
        standstill.look(Instant::now(), waited);
        assert_eq!((standstill.news(), standstill.news()), (Some(true), None));
    }
}
