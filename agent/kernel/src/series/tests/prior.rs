//! Every window begins at the last reading before it, whatever the order, and over a restart.

use super::super::{Pane, Placed, Slot, Spec, Windows, windows_version};
use super::at;
use super::reference::{shapes, spec, times};
use crate::aggregate::Ends;
use crate::state::{Corrupt, State, StateReader, StateWriter};
use crate::time::{AgentTime, Time};
use proptest::prelude::*;

extern crate std;
use std::collections::BTreeMap;
use std::vec::Vec;

type Reading = (Time, f64);
/// By start, end and number of a window.
type Priors = BTreeMap<(i64, i64, u64), Option<Reading>>;

/// The readings' ends and the prior.
#[derive(Clone, Debug, Default, PartialEq)]
struct Following(Ends, Option<Reading>);

impl Pane for Following {
    type Value = f64;

    fn push(&mut self, time: Time, value: f64) {
        self.0.push(time, value);
    }

    fn merge(&mut self, later: &Self) {
        self.0.merge(&later.0);
    }

    fn last(&self) -> Option<Reading> {
        self.0.last()
    }

    fn prior(&self) -> Option<Reading> {
        self.1
    }

    fn follow(&mut self, reading: Reading) -> bool {
        let follows = self.1.is_none_or(|prior| prior.0 <= reading.0);
        if follows {
            self.1 = Some(reading);
        }
        follows
    }
}

impl State for Following {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.0.save(to);
        self.1.save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self(State::load(from)?, State::load(from)?))
    }
}

type Series = Windows<Following, heapless::Vec<Slot<Following>, 400>>;

fn restarted(windows: &Series, spec: &Spec) -> Series {
    let mut bytes = Vec::new();
    windows.save(spec, &mut |more: &[u8]| bytes.extend_from_slice(more), |pane, to| pane.save(to));
    let version = windows_version(&spec.shape);
    Series::load(spec, version, AgentTime::MIN, &mut StateReader::new(&bytes), Following::load).unwrap()
}

/// The last told prior of each window, by its interval and number; and the readings that were placed.
fn run(spec: &Spec, times: &[i64], stop: usize) -> (Priors, Vec<Reading>) {
    let (mut windows, mut told, mut placed) = (Series::new(), Priors::new(), Vec::new());
    let mut poll = |windows: &mut Series, now| {
        while let Some(closed) = windows.poll(spec, now) {
            let name = (closed.named.start.0, closed.named.end.0, closed.number);
            match closed.readings {
                0 => told.remove(&name),
                _ => told.insert(name, closed.pane.1),
            };
        }
    };
    for (number, time) in times.iter().enumerate() {
        if number == stop {
            windows = restarted(&windows, spec);
        }
        let (now, value) = (at(number as i64), number as f64);
        if matches!(
            windows.on_reading(spec, Time(*time), value, now, Following::default),
            Placed::InWindow | Placed::Revised
        ) {
            placed.push((Time(*time), value));
        }
        poll(&mut windows, now);
    }
    poll(&mut windows, at(i64::MAX));
    (told, placed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn windows_begin_at_the_last_reading_before_them(
        shape in shapes(), times in times(), lateness in 0..60_i64, stop in 0..120_usize,
    ) {
        let (told, placed) = run(&spec(shape, lateness, 1_000_000), &times, stop);
        for ((start, ..), prior) in told {
            let before = placed.iter().filter(|(time, _)| time.0 < start);
            let latest = before.copied().max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            if !matches!(shape, crate::window::Shape::Count(_)) {
                prop_assert_eq!(prior, latest, "{} {:?}", start, shape);
            }
        }
    }

    /// Where nothing is retained, what came in order still adds up.
    #[test]
    fn what_is_gone_is_begun_at(shape in shapes(), mut times in times(), retain in 0..100_i64, stop in 0..120_usize) {
        times.sort_unstable();
        let (told, placed) = run(&spec(shape, 0, retain), &times, stop);
        for ((start, ..), prior) in told {
            let latest = placed.iter().rev().find(|(time, _)| time.0 < start).copied();
            let count = matches!(shape, crate::window::Shape::Count(_));
            prop_assert!(count && prior <= placed.last().copied() || prior == latest, "{:?} {:?}", prior, latest);
        }
    }
}
