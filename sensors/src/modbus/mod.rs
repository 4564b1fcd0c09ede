//! `type = "modbus"`: registers of devices on a Modbus bus, over TCP or a serial line (Modbus Application Protocol V1.1b3,
//! Modbus over Serial Line V1.02), asked at an interval.
//!
//! Registers that lie side by side are asked for together (`request.rs`). One bus has many units, and one that does not answer
//! is left alone for a while (`bus.rs`). The protocol is `tokio-modbus`'; that takes a late answer for the one to the next
//! question, so that a connection on which anything went wrong is used no more (`link.rs`).
//!
//! Limits: [`REGISTERS_MAX`] registers of a source. Without the feature `modbus` a config is checked and cannot run.

#![cfg_attr(
    not(feature = "modbus"),
    expect(dead_code, reason = "a build without Modbus checks a config, and has nobody to run it")
)]

#[cfg(feature = "modbus")]
mod bus;
mod config;
#[cfg(all(fuzzing, feature = "modbus"))]
pub(crate) mod fuzzing;
#[cfg(feature = "modbus")]
mod link;
mod register;
#[cfg(feature = "modbus")]
mod request;

use crate::{Source, SourceContext, SourceKind};
use config::{ModbusConfig, read_config};
use headwater_settings::{Pairs, Table};

pub(crate) const KIND: SourceKind =
    SourceKind { name: "modbus", read, find: None, discover: None, sample: include_str!("sample.toml") };

/// The most registers of a source.
const REGISTERS_MAX: usize = 4_096;

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let config = read_config(table, context, labels)?;
    make(table, config)
}

#[cfg(feature = "modbus")]
#[expect(clippy::unnecessary_wraps, reason = "a build without Modbus gives none")]
fn make(_: &Table<'_>, config: ModbusConfig) -> Option<Box<dyn Source>> {
    Some(Box::new(bus::Modbus(config)))
}

#[cfg(not(feature = "modbus"))]
fn make(table: &Table<'_>, config: ModbusConfig) -> Option<Box<dyn Source>> {
    let what = format!("this build of headwater reads no Modbus, which source `{}` needs", config.source);
    table.refuse(table.place_of("type"), what, "take a build with the feature `modbus`");
    None
}

#[cfg(feature = "modbus")]
#[cfg(test)]
mod tests;
