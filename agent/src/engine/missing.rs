//! What the end of a run may have taken, in words: the time without a trace, an estimate of the readings in it, and the
//! windows that may lack them.
//!
//! What came after the last checkpoint has left nothing that could be counted. Only the rate before it is known, and that
//! the machine may have been off for a part of the time.

use crate::config::SourceConfig;
use headwater_kernel::time::{Now, SteadyTime};
use headwater_pipeline::account::ReadingLedger;
use headwater_pipeline::pipeline::Pipeline;

/// A rate over less is none (ms).
const RATE_MS_MIN: i64 = 1_000;

/// What is known of the time around the end of a run.
pub(super) struct Untraced<'a> {
    /// The last moment that is known of it, and the start of this run.
    pub(super) then: Now,
    pub(super) now: Now,
    /// The start of this run, in the time that no correction makes longer.
    pub(super) start: SteadyTime,
    /// The last report: its time, and the account that it gave.
    pub(super) last_report: Option<(SteadyTime, &'a ReadingLedger)>,
}

impl Untraced<'_> {
    /// What may be missing of the sources that do not deliver again what a crash takes; `None`: there are no such sources.
    pub(super) fn describe(&self, pipeline: &Pipeline, sources: &[SourceConfig]) -> Option<String> {
        let is_lossy =
            |name: &str| sources.iter().any(|source| source.name == name && !source.source.redelivers());
        if sources.iter().all(|source| source.source.redelivers()) {
            return None;
        }
        let (span, estimate) = if self.then.synced && self.now.synced {
            let span_ms = self.now.time.since(self.then.time).max(0);
            let span = format!("in the {:.1} s before this start", span_ms as f64 / 1_000.0);
            (span, self.rate(span_ms, pipeline, is_lossy).map(|rate| estimate(rate, span_ms)))
        } else {
            ("since the last checkpoint".to_owned(), None)
        };
        let windows = match pipeline.open_windows_cut() {
            0 => String::new(),
            1 => ", one that was open then among them".to_owned(),
            open => format!(", {open} that were open then among them"),
        };
        let estimate = estimate.unwrap_or_default();
        Some(format!(
            "readings that came {span} may be missing{estimate}; windows that may lack them are told as partial{windows}"
        ))
    }

    /// How many readings a second came between the last report and the last moment that is known.
    fn rate(&self, span_ms: i64, pipeline: &Pipeline, is_lossy: impl Fn(&str) -> bool) -> Option<f64> {
        let (at, account) = self.last_report?;
        let over_ms = self.start.since(at).saturating_sub(span_ms);
        let sources = pipeline.ledger().since(account).sources;
        let lossy = sources.iter().filter(|(name, _)| is_lossy(name));
        let received: i64 = lossy.map(|(_, counts)| counts.received).sum();
        (over_ms >= RATE_MS_MIN).then(|| received as f64 * 1_000.0 / over_ms as f64)
    }
}

fn estimate(rate: f64, span_ms: i64) -> String {
    let readings = (rate * span_ms as f64 / 1_000.0).round();
    format!(
        ", an estimated {readings:.0} at the rate before ({rate:.1} a second) if the machine was on all the time"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_says_that_it_is_one() {
        let expected =
            ", an estimated 36 at the rate before (5.0 a second) if the machine was on all the time";
        assert_eq!(estimate(5.0, 7_200), expected);
    }
}
