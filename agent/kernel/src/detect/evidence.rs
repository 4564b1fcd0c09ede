//! Evidence: the raw readings around an alert, where otherwise only summaries leave the device.
//!
//! A ring holds the last `N` readings of a series. When an alert is raised the recorder notes it, takes `N / 2` readings
//! more, and gives all of the ring once: half from before, half from after. An alert that is raised while another's
//! evidence is being gathered shares it. State: `16 N` bytes and a few.

use crate::time::Time;

/// The last readings of a series, and whether they are being gathered for an alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence<const N: usize> {
    ring: [(Time, f64); N],
    next: usize,
    held: usize,
    /// Readings still to come before the evidence is complete.
    awaited: Option<usize>,
}

impl<const N: usize> Default for Evidence<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Evidence<N> {
    /// No readings.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N >= 2, "evidence is before and after") };
        Self { ring: [(Time(0), 0.0); N], next: 0, held: 0, awaited: None }
    }

    /// Takes a reading; the answer is whether evidence is complete now: read it with [`Evidence::readings`].
    #[inline]
    pub fn on_reading(&mut self, time: Time, value: f64) -> bool {
        if let Some(slot) = self.ring.get_mut(self.next) {
            *slot = (time, value);
        }
        self.next = (self.next + 1) % N;
        self.held = (self.held + 1).min(N);
        let Some(awaited) = self.awaited else { return false };
        self.awaited = awaited.checked_sub(1).filter(|left| *left > 0);
        self.awaited.is_none()
    }

    /// An alert was raised by the last reading.
    pub fn on_raised(&mut self) {
        self.awaited = self.awaited.or(Some(N / 2));
    }

    /// Gives up waiting, as when the series ends; the answer is whether there is evidence to be read.
    pub fn finish(&mut self) -> bool {
        self.awaited.take().is_some()
    }

    /// The readings that are held, oldest first.
    pub fn readings(&self) -> impl Iterator<Item = (Time, f64)> + '_ {
        let oldest = if self.held < N { 0 } else { self.next };
        self.ring.iter().cycle().skip(oldest).take(self.held).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Evidence;
    use crate::time::Time;

    extern crate std;
    use std::vec::Vec;

    fn times<const N: usize>(evidence: &Evidence<N>) -> Vec<i64> {
        evidence.readings().map(|(time, _)| time.0).collect()
    }

    #[test]
    fn half_from_before_and_half_from_after() {
        let mut evidence = Evidence::<8>::new();
        let mut complete = Vec::new();
        for time in 0..30 {
            if evidence.on_reading(Time(time), 0.5) {
                complete.push((time, times(&evidence)));
            }
            if time == 10 || time == 12 || time == 20 {
                evidence.on_raised();
            }
        }
        // The alert at 12 shares the evidence of the one at 10.
        assert_eq!(complete, [(14, (7..=14).collect::<Vec<_>>()), (24, (17..=24).collect())]);
    }

    #[test]
    fn a_young_series_gives_what_there_is() {
        let mut evidence = Evidence::<8>::new();
        assert!(!evidence.finish() && times(&evidence).is_empty());
        evidence.on_reading(Time(1), 0.5);
        evidence.on_raised();
        evidence.on_reading(Time(2), 0.5);
        assert!(evidence.finish());
        assert_eq!(times(&evidence), [1, 2]);
        assert!(!evidence.finish());
    }
}
