//! How often checkpoints come, for the status, and whether that is much too rare.

use super::write_budget::Pace;
use crate::status::CheckpointStatus;
use headwater_kernel::time::AgentTime;
use std::cell::Cell;
use std::time::Duration;

/// Checkpoints so many times as rare as configured are a trouble, until they are less than [`OVER`].
const SLOW: f64 = 2.0;
const OVER: f64 = 1.5;

/// So many in a row: readings that have waited for a connection make one large.
const SLOW_IN_A_ROW: u32 = 4;

/// The pace of the checkpoints.
#[derive(Debug, Default)]
pub(super) struct PaceMonitor {
    pace: Cell<Option<Pace>>,
    durable_at: Cell<Option<AgentTime>>,
    is_slow: Cell<bool>,
    /// Checkpoints in a row that were a trouble.
    slow: Cell<u32>,
}

impl PaceMonitor {
    /// A checkpoint is durable.
    pub(super) fn on_durable(&self, now: AgentTime) {
        self.durable_at.set(Some(now));
    }

    /// What it says of the pace; whether that is news.
    pub(super) fn on_pace(&self, pace: Pace) -> bool {
        self.pace.set(Some(pace));
        let times = times(pace);
        self.slow.set(if times > SLOW { self.slow.get().saturating_add(1) } else { 0 });
        let is_slow = if self.is_slow.get() { times > OVER } else { self.slow.get() >= SLOW_IN_A_ROW };
        let is_news = self.is_slow.replace(is_slow) != is_slow;
        match self.trouble() {
            Some(trouble) if is_news => tracing::warn!("{trouble}"),
            None if is_news => tracing::info!("`daily_writes` allows checkpoints at their interval again"),
            _ => {}
        }
        is_news
    }

    /// What is wrong, with the way out. It changes only when the pace does by a factor.
    pub(super) fn trouble(&self) -> Option<String> {
        let pace = self.pace.get().filter(|_| self.is_slow.get())?;
        let times = times(pace).log2().round().max(1.0).exp2();
        Some(format!(
            "`[buffer] daily_writes` allows checkpoints only about {times} times as rarely as `[agent] checkpoint` asks for: \
             raise one of the two, or ask for less `lateness`"
        ))
    }

    /// How they stand; `None`: none is durable yet.
    pub(super) fn status(&self, now: AgentTime) -> Option<CheckpointStatus> {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let (pace, durable_at) = self.pace.get().zip(self.durable_at.get())?;
        Some(CheckpointStatus {
            every_ms: ms(pace.every),
            allowed_ms: pace.allowed.map(ms),
            age_ms: now.since(durable_at),
            daily_bytes: pace.daily_bytes,
        })
    }
}

/// How many times as rare as configured they are.
fn times(pace: Pace) -> f64 {
    pace.allowed.map_or(1.0, |allowed| allowed.as_secs_f64() / pace.every.as_secs_f64().max(1e-3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_that_is_much_too_slow_is_news_once_and_says_the_way_out() {
        let monitor = PaceMonitor::default();
        let at = |seconds: u64| {
            let allowed = Some(Duration::from_secs(seconds));
            monitor.on_pace(Pace { every: Duration::from_secs(10), allowed, daily_bytes: Some(7) })
        };
        assert!(monitor.status(AgentTime(0)).is_none());
        assert!(![10, 19, 25, 25, 25, 19].into_iter().any(at), "some are large");
        let news: Vec<bool> = [25, 25, 25, 25, 19, 16, 100, 14, 15].map(at).to_vec();
        assert_eq!(news, [false, false, false, true, false, false, false, true, false]);
        assert!(monitor.trouble().is_none());
        assert_eq!([85; 4].into_iter().filter(|seconds| at(*seconds)).count(), 1);
        let trouble = monitor.trouble().unwrap();
        assert!(trouble.contains("8 times") && trouble.contains("daily_writes"), "{trouble}");
        at(100);
        assert_eq!(monitor.trouble().unwrap(), trouble, "not with every second");
        monitor.on_durable(AgentTime(500));
        let status = monitor.status(AgentTime(800)).unwrap();
        let expected = CheckpointStatus {
            every_ms: 10_000,
            allowed_ms: Some(100_000),
            age_ms: 300,
            daily_bytes: Some(7),
        };
        assert_eq!(status, expected);
    }
}
