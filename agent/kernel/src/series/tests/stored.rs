//! The windows of one series as bytes: a restart leaves no trace, and no bytes do harm.

use super::super::{Closed, Pane, Placed, Slot, Windows, windows_version};
use super::at;
use super::reference::{Kept, shapes, spec, times, wild_times};
use crate::aggregate::{Ends, Moments, Sketch};
use crate::state::{Corrupt, State, StateReader, StateWriter};
use crate::time::{AgentTime, Time};
use proptest::prelude::*;

extern crate std;
use std::vec::Vec;

impl State for Kept {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        (self.0.len() as u32).save(to);
        self.0.iter().for_each(|reading| reading.save(to));
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let count = u32::load(from)?;
        (0..count).map(|_| State::load(from)).collect::<Result<_, _>>().map(Self)
    }
}

/// All the kernel's accumulators at once.
#[derive(Clone, Debug, Default, PartialEq)]
struct All(Moments, Ends, Sketch<32>);

impl Pane for All {
    type Value = f64;

    fn push(&mut self, time: Time, value: f64) {
        self.0.push(value);
        self.1.push(time, value);
        self.2.push(value);
    }

    fn merge(&mut self, later: &Self) {
        self.0.merge(&later.0);
        self.1.merge(&later.1);
        self.2.merge(&later.2);
    }
}

impl State for All {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.0.save(to);
        self.1.save(to);
        self.2.save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self(State::load(from)?, State::load(from)?, State::load(from)?))
    }
}

type Series<P> = Windows<P, heapless::Vec<Slot<P>, 40>>;

fn bytes<P: Pane + State>(windows: &Series<P>, spec: &super::Spec) -> Vec<u8> {
    let mut bytes = Vec::new();
    windows.save(spec, &mut |more: &[u8]| bytes.extend_from_slice(more), |pane, to| pane.save(to));
    bytes
}

/// What a series says to readings from number `from` on.
fn go_on(
    series: &mut Series<All>,
    spec: &super::Spec,
    times: &[i64],
    from: usize,
) -> (Vec<Placed>, Vec<Closed<All>>) {
    let (mut placed, mut closed) = (Vec::new(), Vec::new());
    for (number, time) in times.iter().enumerate().skip(from) {
        let now = at(number as i64 * 4);
        placed.push(series.on_reading(spec, Time(*time), (*time % 37) as f64 / 3.0, now, All::default));
        closed.extend(core::iter::from_fn(|| series.poll(spec, now)));
    }
    closed.extend(core::iter::from_fn(|| series.poll(spec, at(100_000))));
    (placed, closed)
}

proptest! {
    #[test]
    fn a_restart_leaves_no_trace(
        shape in shapes(), times in times(), lateness in 0..40_i64, retain in 0..200_i64, stop in 0..120_usize,
        cut: prop::sample::Index,
    ) {
        let (spec, stop) = (spec(shape, lateness, retain), stop.min(times.len()));
        let mut series = Series::<All>::new();
        for (number, time) in times.iter().enumerate().take(stop) {
            let now = at(number as i64 * 4);
            series.on_reading(&spec, Time(*time), (*time % 37) as f64 / 3.0, now, All::default);
            while series.poll(&spec, now).is_some() {}
        }
        let stored = bytes(&series, &spec);
        let mut from = StateReader::new(&stored);
        let mut loaded = Series::<All>::load(&spec, windows_version(&spec.shape), AgentTime::MIN, &mut from, All::load).unwrap();
        prop_assert!(from.rest().is_empty());
        prop_assert_eq!(bytes(&loaded, &spec), stored.clone());
        prop_assert_eq!(go_on(&mut loaded, &spec, &times, stop), go_on(&mut series, &spec, &times, stop));
        let cut = &stored[..cut.index(stored.len())];
        prop_assert_eq!(Series::<All>::load(&spec, windows_version(&spec.shape), AgentTime::MIN, &mut StateReader::new(cut), All::load).err(), Some(Corrupt));
    }

    #[test]
    fn no_bytes_do_harm(
        shape in shapes(), times in times(), noise in prop::collection::vec(any::<u8>(), 0..300),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), after in wild_times(),
    ) {
        let spec = spec(shape, 10, 100);
        let mut series = Series::<Kept>::new();
        for time in &times {
            series.on_reading(&spec, Time(*time), 1.0, at(0), Kept::default);
            while series.poll(&spec, at(0)).is_some() {}
        }
        let mut stored = bytes(&series, &spec);
        let near = stored.len().min(1_000);
        flips.iter().for_each(|(at, bits)| stored[at.index(near)] ^= bits);
        for bytes in [stored, noise] {
            let Ok(mut series) = Series::<Kept>::load(&spec, windows_version(&spec.shape), AgentTime::MIN, &mut StateReader::new(&bytes), Kept::load) else { continue };
            for (number, time) in after.iter().enumerate() {
                series.on_reading(&spec, Time(*time), 1.0, at(number as i64), Kept::default);
                core::iter::from_fn(|| series.poll(&spec, at(number as i64))).take(1_000).for_each(drop);
                let _ = (series.due(&spec, at(0)), series.readings(&spec));
            }
        }
    }
}
