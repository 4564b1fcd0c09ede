//! `type = "w1"`: thermometers on a 1-Wire bus, such as DS18B20, by the kernel's driver `w1_therm` (Linux
//! `Documentation/w1/slaves/w1_therm.rst`).
//!
//! What the driver says is not always a temperature: `scratchpad.rs` tells. A thermometer takes up to 750 ms for a measurement,
//! one after the other.

mod scratchpad;

#[cfg(fuzzing)]
pub(crate) use scratchpad::degrees;

use crate::polled::{PollError, PolledConfig, PolledDevice, PolledReadings, PolledSource};
use crate::{FoundDevice, Source, SourceContext, SourceKind, sysfs};
use headwater_settings::{Or, Pairs, Table};
use std::path::{Path, PathBuf};

pub(crate) const KIND: SourceKind =
    SourceKind { name: "w1", read, find: Some(find), discover: None, sample: include_str!("sample.toml") };

/// The default of `interval`, and the least (ms).
const INTERVAL_MS: (i64, i64) = (10_000, 1_000);

/// Where the kernel shows what is on its buses.
const DEVICES: &str = "sys/bus/w1/devices";

/// The families of thermometers: DS18S20, DS1822, DS18B20, MAX31850, DS28EA00.
const FAMILIES: [&str; 5] = ["10-", "22-", "28-", "3b-", "42-"];

struct W1Bus {
    devices: PathBuf,
}

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let config = PolledConfig::read(table, context, labels, INTERVAL_MS);
    let devices = table.path_to("root").value_or(PathBuf::from("/")).join(DEVICES);
    let device = move || W1Bus { devices: devices.clone() };
    Some(Box::new(PolledSource::new_remote(config?, device)))
}

/// The folders of the thermometers that are there.
fn thermometers(devices: &Path) -> Vec<PathBuf> {
    FAMILIES.iter().flat_map(|family| sysfs::entries(devices, family)).collect()
}

fn find(root: &Path) -> Vec<FoundDevice> {
    let thermometers = thermometers(&root.join(DEVICES));
    let names: Vec<&str> = thermometers.iter().map(|path| sysfs::name(path)).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let what = format!("thermometers on a 1-Wire bus: {}", names.join(", "));
    let table = "type = \"w1\"\n".to_owned();
    vec![FoundDevice { name: "thermometers".to_owned(), what, table, is_example: false }]
}

impl PolledDevice for W1Bus {
    /// Forty thermometers, and twice that where the driver asks again.
    fn look_seconds(&self) -> u64 {
        60
    }

    fn look(&mut self, to: &mut PolledReadings) -> Result<(), PollError> {
        let thermometers = thermometers(&self.devices);
        if thermometers.is_empty() {
            let devices = self.devices.display();
            return Err(PollError::Absent(if self.devices.exists() {
                format!(
                    "no thermometer in {devices}: is it wired, with a resistor of 4.7 kΩ from data to 3.3 V?"
                )
            } else {
                format!("{devices} is not there: a Pi needs `dtoverlay=w1-gpio` in /boot/firmware/config.txt")
            }));
        }
        for thermometer in thermometers {
            let name = sysfs::name(&thermometer);
            to.device(name);
            match read_thermometer(&thermometer) {
                Ok(degrees) => to.reading(format_args!("{name}"), "°C", degrees),
                Err(why) => to.invalid(name, why),
            }
        }
        Ok(())
    }
}

/// The temperature (°C).
fn read_thermometer(folder: &Path) -> Result<f64, String> {
    let path = folder.join("w1_slave");
    match sysfs::text(&path) {
        Ok(text) => scratchpad::degrees(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let millidegrees = sysfs::number(&folder.join("temperature"));
            scratchpad::plausible(millidegrees.map_err(|error| format!("cannot be read: {error}"))? / 1_000.0)
        }
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests;
