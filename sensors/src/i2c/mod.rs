//! `type = "i2c"`: sensors on an I2C bus that the kernel has no driver for, or none that is loaded.
//!
//! Every look begins anew with a sensor, so that one that was unplugged works as soon as it is back. Without the feature `i2c`
//! a config is checked and cannot run.

#![cfg_attr(
    not(feature = "i2c"),
    expect(dead_code, reason = "a build without I2C checks a config, and has nobody to run it")
)]

#[cfg(feature = "i2c")]
mod bus;
#[cfg(feature = "i2c")]
mod chips;
mod config;
#[cfg(all(fuzzing, feature = "i2c"))]
pub(crate) mod fuzzing;

use crate::{FoundDevice, Source, SourceContext, SourceKind, sysfs};
use config::{I2cConfig, read_config};
use headwater_settings::{Pairs, Table};
use std::path::Path;

pub(crate) const KIND: SourceKind =
    SourceKind { name: "i2c", read, find: Some(find), discover: None, sample: include_str!("sample.toml") };

/// Words in the names of buses that belong to screens.
const OF_SCREENS: [&str; 5] = ["ddc", "aux", "i915", "amdgpu", "nvidia"];

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let config = read_config(table, context, labels)?;
    make(table, config)
}

/// The buses. What hangs on them only asking would show, and asking may disturb it.
fn find(root: &Path) -> Vec<FoundDevice> {
    let buses = sysfs::entries(&root.join("dev"), "i2c-");
    let found = |bus: &std::path::PathBuf| {
        let device = sysfs::name(bus);
        let number = device.strip_prefix("i2c-").filter(|number| number.parse::<u32>().is_ok())?;
        let name = sysfs::text(&root.join("sys/class/i2c-dev").join(device).join("name")).unwrap_or_default();
        let lower = name.to_lowercase();
        if OF_SCREENS.iter().any(|word| lower.contains(word)) {
            return None;
        }
        let what =
            format!("the I2C bus /dev/{device} {name}: `i2cdetect -y {number}` shows the addresses on it");
        let sensors = "sensors = [{ name = \"climate\", chip = \"bme280\", address = 0x76 }]";
        let table = format!("type = \"i2c\"\nbus = \"/dev/{device}\"\n{sensors}\n");
        Some(FoundDevice { name: "bus".to_owned(), what, table, is_example: true })
    };
    buses.iter().filter_map(found).collect()
}

#[cfg(feature = "i2c")]
#[expect(clippy::unnecessary_wraps, reason = "a build without I2C gives none")]
fn make(_: &Table<'_>, config: I2cConfig) -> Option<Box<dyn Source>> {
    Some(Box::new(bus::source(config)))
}

#[cfg(not(feature = "i2c"))]
fn make(table: &Table<'_>, config: I2cConfig) -> Option<Box<dyn Source>> {
    let bus = config.bus.display();
    let what = format!("this build of headwater reads no I2C bus, such as {bus}");
    table.refuse(table.place_of("type"), what, "take a build with the feature `i2c`");
    None
}

#[cfg(feature = "i2c")]
#[cfg(test)]
mod tests;
