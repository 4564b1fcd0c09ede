//! `type = "simulate"`: signals made of waves, noise, steps and faults, the same at every start.
//!
//! A value is a function of the seed, the signal's place in the config and the time since the start, so that a demo,
//! a test and a bug report show the same. The runtime's timer paces the readings; a busy machine skips readings that
//! it misses.
//!
//! Limits: [`SIGNALS_MAX`] signals, [`PARTS_MAX`] waves, steps and faults each. Cost: no allocation per reading.

mod config;
mod signal;

pub(crate) use config::KIND;

use crate::source::stopped;
use crate::{ConnectionState, Running, SeriesNames, SeriesRef, Sink, Source, Stamp, Stop};
use signal::Signal;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Signals of one source.
const SIGNALS_MAX: usize = 1_000;

/// Waves, steps or faults of one signal.
const PARTS_MAX: usize = 64;

struct Simulation {
    interval_ms: u64,
    seed: u64,
    /// The time of the first readings (ms since the Unix epoch); `None`: readings are stamped on arrival.
    from_ms: Option<i64>,
    signals: Vec<Signal>,
}

impl Source for Simulation {
    fn may_be_remote(&self) -> bool {
        true
    }

    fn names(&self) -> SeriesNames {
        SeriesNames::Patterns(self.signals.iter().map(|signal| signal.name.clone()).collect())
    }

    fn labels(&self) -> Option<Vec<String>> {
        let labels = self.signals.iter().flat_map(|signal| &signal.labels);
        Some(labels.map(|(name, _)| name.clone()).collect())
    }

    fn run(self: Box<Self>, sink: Box<dyn Sink>, stop: Stop) -> Running {
        Box::pin(async move {
            let mut sink = sink;
            let mut stop = pin!(stopped(stop));
            let mut series = vec![None; self.signals.len()];
            let mut ticks = interval(Duration::from_millis(self.interval_ms));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let start = ticks.tick().await;
            sink.connection(ConnectionState::Up);
            let mut at_ms = 0;
            loop {
                self.read(at_ms, &mut series, sink.as_mut());
                tokio::select! {
                    () = &mut stop => return,
                    tick = ticks.tick() => {
                        let elapsed = tick.duration_since(start).as_millis();
                        at_ms = u64::try_from(elapsed).unwrap_or(u64::MAX) / self.interval_ms * self.interval_ms;
                    }
                }
            }
        })
    }
}

impl Simulation {
    /// Reads every signal at `at_ms` since the start (ms).
    fn read(&self, at_ms: u64, series: &mut [Option<SeriesRef>], sink: &mut dyn Sink) {
        let event = |from_ms: i64| Stamp::Event(from_ms.saturating_add_unsigned(at_ms));
        let stamp = self.from_ms.map_or(Stamp::Arrival, event);
        for ((number, signal), series) in (0..).zip(&self.signals).zip(series) {
            let Some(value) = signal.value(at_ms, self.interval_ms, self.seed, number) else { continue };
            if series.is_none_or(|series| !sink.knows(series)) {
                *series = sink.series(&signal.name, &signal.labels);
            }
            match series {
                Some(series) => sink.reading(*series, stamp, value),
                None => sink.refused(1),
            }
        }
    }
}
