//! A detector with its alert behind a pointer: each as large as its own kind, where the kernel's is as large as the
//! largest.

use headwater_kernel::detect::{Detector, Judgement, TakeWatch, Transition, Watch};
use headwater_kernel::state::{Corrupt, Sink, Stored};
use headwater_kernel::time::{Moment, SteadyTime};
use std::fmt;

/// What a channel asks of a [`Watch`], of whatever kind; each method is that of the same name there.
pub(super) trait Guard {
    fn on_reading(&mut self, at: Moment, value: f64) -> (Judgement, Transition);
    fn due(&self) -> Option<SteadyTime>;
    fn on_tick(&mut self, now: Moment) -> Option<(Judgement, Transition)>;
    fn is_raised(&self) -> bool;
    fn reason(&self, value: f64, to: &mut dyn fmt::Write) -> fmt::Result;
    fn save(&self, to: &mut dyn Sink);
    fn restore(&mut self, from: &mut Stored<'_>) -> Result<(), Corrupt>;
    fn restore_alert(&mut self, from: &mut Stored<'_>) -> Result<(), Corrupt>;
}

impl<D: Detector + Copy> Guard for Watch<D> {
    fn on_reading(&mut self, at: Moment, value: f64) -> (Judgement, Transition) {
        Watch::on_reading(self, at, value)
    }

    fn due(&self) -> Option<SteadyTime> {
        Watch::due(self)
    }

    fn on_tick(&mut self, now: Moment) -> Option<(Judgement, Transition)> {
        Watch::on_tick(self, now)
    }

    fn is_raised(&self) -> bool {
        Watch::is_raised(self)
    }

    fn reason(&self, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        Watch::reason(self, value, to)
    }

    fn save(&self, to: &mut dyn Sink) {
        Watch::save(self, to);
    }

    fn restore(&mut self, from: &mut Stored<'_>) -> Result<(), Corrupt> {
        Watch::restore(self, from)
    }

    fn restore_alert(&mut self, from: &mut Stored<'_>) -> Result<(), Corrupt> {
        Watch::restore_alert(self, from)
    }
}

/// A guard as a config's prototype says.
pub(super) fn guard(prototype: &Watch) -> Box<dyn Guard> {
    struct Boxed;
    impl TakeWatch for Boxed {
        type Output = Box<dyn Guard>;

        fn take<D: Detector + Copy + 'static>(self, watch: Watch<D>) -> Box<dyn Guard> {
            Box::new(watch)
        }
    }
    prototype.unwrapped(Boxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_kernel::detect::{KINDS, Parameters};

    #[test]
    fn a_small_detector_is_small() {
        let kind = KINDS.iter().find(|kind| kind.name == "threshold").unwrap();
        let mut parameters = Parameters::new();
        parameters.set("above", 1.0).unwrap();
        let threshold = guard(&Watch::new(kind, &parameters).unwrap());
        assert!(size_of_val(&*threshold) < 200 && size_of::<Watch>() > 2_000);
    }
}
