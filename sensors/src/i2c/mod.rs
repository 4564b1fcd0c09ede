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

use crate::{Source, SourceContext, SourceKind};
use config::{I2cConfig, read_config};
use headwater_settings::{Pairs, Table};

pub(crate) const KIND: SourceKind =
    SourceKind { name: "i2c", read, find: None, discover: None, sample: include_str!("sample.toml") };

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let config = read_config(table, context, labels)?;
    make(table, config)
}

#[cfg(feature = "i2c")]
#[expect(clippy::unnecessary_wraps, reason = "a build without I2C gives none")]
fn make(_: &Table<'_>, config: I2cConfig) -> Option<Box<dyn Source>> {
    Some(Box::new(bus::I2c(config)))
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
