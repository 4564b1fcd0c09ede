//! A bus of the kernel (Linux `Documentation/i2c/dev-interface.rst`), and a look at its sensors.

use super::chips::{MeasureError, measure};
use super::config::{I2cConfig, Sensor};
use crate::Source;
use crate::access::explain;
use crate::polled::{PollError, PolledDevice, PolledReadings, PolledSource};
use embedded_hal::delay::DelayNs;
use linux_embedded_hal::{Delay, I2cdev};
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::PathBuf;

/// The drop-in of the service that opens buses.
const DROP_IN: &str = "i2c.conf";

pub(super) fn source(config: I2cConfig) -> impl Source {
    let I2cConfig { polled, bus, sensors } = config;
    let device = move || I2cBus { path: bus.clone(), sensors: sensors.clone() };
    PolledSource::new(polled, device)
}

/// A bus with its sensors.
struct I2cBus {
    path: PathBuf,
    sensors: Vec<Sensor>,
}

impl PolledDevice for I2cBus {
    fn look(&mut self, to: &mut PolledReadings) -> Result<(), PollError> {
        let shown = self.path.display();
        // The library's words name neither the path nor the way out.
        if let Err(error) = OpenOptions::new().read(true).write(true).open(&self.path) {
            return Err(if error.kind() == ErrorKind::NotFound {
                PollError::Absent(format!(
                    "{shown} is not there: a Pi needs `dtparam=i2c_arm=on` in /boot/firmware/config.txt, and the module i2c-dev"
                ))
            } else {
                PollError::Failed(explain(&self.path, &error, DROP_IN))
            });
        }
        let mut bus =
            I2cdev::new(&self.path).map_err(|error| PollError::Failed(format!("{shown}: {error}")))?;
        look_at_all(&mut bus, &mut Delay, &self.sensors, to)
    }
}

/// Measures with every sensor. One that does not answer stops no other.
pub(super) fn look_at_all<B: embedded_hal::i2c::I2c>(
    bus: &mut B,
    delay: &mut impl DelayNs,
    sensors: &[Sensor],
    to: &mut PolledReadings,
) -> Result<(), PollError> {
    let (mut silent, mut first) = (0, None);
    for sensor in sensors {
        match measure(bus, delay, sensor, to) {
            Ok(()) => {}
            Err(MeasureError::Wrong(why)) => to.invalid(&sensor.name, why),
            Err(MeasureError::Silent(why)) => {
                silent += 1;
                first.get_or_insert(format!(
                    "{} does not answer at {:#04x}: {why}",
                    sensor.name, sensor.address
                ));
            }
        }
    }
    match first {
        Some(why) if silent == sensors.len() => Err(PollError::Absent(why)),
        Some(why) => {
            to.trouble(why);
            Ok(())
        }
        None => Ok(()),
    }
}
