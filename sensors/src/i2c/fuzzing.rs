//! A door for `tests/fuzz`: chips that answer what they like.

use super::chips::measure as measure_with;
use super::config::{Chip, Sensor};
use crate::polled::{PolledConfig, PolledReadings};
use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, Operation};

/// A bus on which the next bytes are every answer, and which fails when there are no more.
struct Answers<'a>(&'a [u8]);

impl ErrorType for Answers<'_> {
    type Error = ErrorKind;
}

impl I2c for Answers<'_> {
    fn transaction(&mut self, _: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        for operation in operations {
            if let Operation::Read(to) = operation {
                let (own, rest) = self.0.split_at_checked(to.len()).ok_or(ErrorKind::Bus)?;
                to.copy_from_slice(own);
                self.0 = rest;
            }
        }
        Ok(())
    }
}

/// Time that does not pass.
struct NoWait;

impl DelayNs for NoWait {
    fn delay_ns(&mut self, _: u32) {}
}

/// Measures once with each kind of chip.
pub(crate) fn measure(answers: &[u8]) {
    let chips = [Chip::Bme280, Chip::Sht3x, Chip::Ads1115, Chip::Ina219 { shunt: 0.1 }];
    for (address, chip) in (0x40..).zip(chips) {
        let sensor = Sensor { name: "box".to_owned(), address, chip };
        let mut readings = PolledReadings::new(PolledConfig::for_tests());
        let _ = measure_with(&mut Answers(answers), &mut NoWait, &sensor, &mut readings);
    }
}
