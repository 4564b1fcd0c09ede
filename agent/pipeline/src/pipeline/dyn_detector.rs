//! A detector and its alert behind a pointer. It takes the memory of its own kind; the kernel's enum takes that of
//! the largest kind.

use headwater_kernel::detect::{AlertingDetector, AlertingVisitor, Detector, Judgement, Transition};
use headwater_kernel::state::{Corrupt, StateReader, StateWriter};
use headwater_kernel::time::{Moment, SteadyTime};
use std::fmt;

/// The methods of [`AlertingDetector`] that a channel calls, for a detector of any kind.
pub(super) trait DynDetector {
    fn on_reading(&mut self, at: Moment, value: f64) -> (Judgement, Transition);
    fn due(&self) -> Option<SteadyTime>;
    fn on_tick(&mut self, now: Moment) -> Option<(Judgement, Transition)>;
    fn expect_reading(&mut self, now: SteadyTime);
    fn is_raised(&self) -> bool;
    fn reason(&self, value: f64, to: &mut dyn fmt::Write) -> fmt::Result;
    fn save(&self, to: &mut dyn StateWriter);
    fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt>;
    fn restore_alert(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt>;
}

impl<D: Detector + Copy> DynDetector for AlertingDetector<D> {
    fn on_reading(&mut self, at: Moment, value: f64) -> (Judgement, Transition) {
        AlertingDetector::on_reading(self, at, value)
    }

    fn due(&self) -> Option<SteadyTime> {
        AlertingDetector::due(self)
    }

    fn on_tick(&mut self, now: Moment) -> Option<(Judgement, Transition)> {
        AlertingDetector::on_tick(self, now)
    }

    fn expect_reading(&mut self, now: SteadyTime) {
        AlertingDetector::expect_reading(self, now);
    }

    fn is_raised(&self) -> bool {
        AlertingDetector::is_raised(self)
    }

    fn reason(&self, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        AlertingDetector::reason(self, value, to)
    }

    fn save(&self, to: &mut dyn StateWriter) {
        AlertingDetector::save(self, to);
    }

    fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        AlertingDetector::restore(self, from)
    }

    fn restore_alert(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        AlertingDetector::restore_alert(self, from)
    }
}

/// Copies the detector of a config.
pub(super) fn boxed(prototype: &AlertingDetector) -> Box<dyn DynDetector> {
    struct Boxed;
    impl AlertingVisitor for Boxed {
        type Output = Box<dyn DynDetector>;

        fn visit<D: Detector + Copy + 'static>(self, watch: AlertingDetector<D>) -> Box<dyn DynDetector> {
            Box::new(watch)
        }
    }
    prototype.visit(Boxed)
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
        let threshold = boxed(&AlertingDetector::new(kind, &parameters).unwrap());
        assert!(size_of_val(&*threshold) < 200 && size_of::<AlertingDetector>() > 2_000);
    }
}
