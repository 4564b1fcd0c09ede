//! The last raw readings of a series, as evidence for its alerts.

use super::bytes::{load_length, put, save_length};
use super::ids::present;
use crate::config::StreamConfig;
use crate::sections::length32;
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::{Moment, SteadyTime};

/// A ring of readings; a new one replaces the oldest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ring {
    slots: Box<[(SteadyTime, f64)]>,
    next: u32,
    held: u32,
}

/// Memory that the detectors of a series share (bytes).
pub fn evidence_bytes(stream: &StreamConfig) -> usize {
    ring_length(stream) * size_of::<(SteadyTime, f64)>()
}

/// How many readings its detectors need.
pub(super) fn ring_length(stream: &StreamConfig) -> usize {
    let single = stream.detectors.iter().map(|config| config.evidence);
    let several = stream.groups.iter().map(|config| config.evidence);
    single.chain(several).map(|evidence| evidence.readings_needed()).max().unwrap_or(0)
}

impl Ring {
    pub(super) fn new(readings: usize) -> Self {
        Self { slots: vec![(SteadyTime(0), 0.0); readings].into(), next: 0, held: 0 }
    }

    /// Whether it has room for no reading at all.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    #[inline]
    pub(super) fn push(&mut self, time: SteadyTime, value: f64) {
        if self.is_empty() {
            return;
        }
        let Some(slot) = present(self.slots.get_mut(self.next as usize), "a place in the ring") else {
            return;
        };
        *slot = (time, value);
        let length = length32(self.slots.len());
        self.next = if self.next + 1 < length { self.next + 1 } else { 0 };
        self.held = (self.held + 1).min(length);
    }

    /// The last `count` readings, oldest first; times (ms) as on the clock of `now`.
    pub(super) fn last(&self, count: usize, now: Moment) -> Vec<(i64, f64)> {
        self.held(count).map(|(steady, value)| (now.time_of(*steady).0, *value)).collect()
    }

    fn held(&self, count: usize) -> impl Iterator<Item = &(SteadyTime, f64)> {
        let held = self.held as usize;
        let oldest = if held < self.slots.len() { 0 } else { self.next as usize };
        let all = self.slots.iter().cycle().skip(oldest).take(held);
        all.skip(held.saturating_sub(count))
    }

    pub(super) fn save(&self, to: &mut Vec<u8>) {
        save_length(to, self.held as usize);
        self.held(self.slots.len()).for_each(|reading| reading.save(&mut put(to)));
    }

    /// Restores the readings; the length may have changed.
    pub(super) fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        (self.next, self.held) = (0, 0);
        for _ in 0..load_length(from)? {
            let (time, value) = State::load(from)?;
            self.push(time, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_kernel::time::Time;

    fn times(ring: &Ring, count: usize) -> Vec<i64> {
        ring.last(count, Time(0).into()).into_iter().map(|(time, _)| time).collect()
    }

    #[test]
    fn the_last_readings_are_held_in_order_and_over_a_restart() {
        let mut ring = Ring::new(4);
        ring.push(SteadyTime(1), 0.5);
        assert_eq!((times(&ring, 9), times(&ring, 0)), (vec![1], vec![]));
        (2..=10).for_each(|time| ring.push(SteadyTime(time), 0.5));
        assert_eq!((times(&ring, 9), times(&ring, 2)), (vec![7, 8, 9, 10], vec![9, 10]));
        let mut state = Vec::new();
        ring.save(&mut state);
        for (length, held) in [(4, vec![7, 8, 9, 10]), (2, vec![9, 10]), (0, vec![]), (9, vec![7, 8, 9, 10])]
        {
            let mut other = Ring::new(length);
            other.restore(&mut StateReader::new(&state)).unwrap();
            assert_eq!(times(&other, 9), held);
        }
        assert!(Ring::new(4).restore(&mut StateReader::new(&state[..30])).is_err());
    }
}
