//! The table of a serial source.

use super::Serial;
use super::port::{LineSettings, Parity};
use crate::topic::TopicTemplate;
use crate::{DecodeConfig, FoundDevice, Source, SourceContext, SourceKind, sysfs};
use glob::Pattern;
use headwater_settings::{Or, Pairs, Table};
use std::path::Path;

pub(crate) const KIND: SourceKind =
    SourceKind { name: "serial", read, find: Some(find), sample: include_str!("sample.toml") };

/// The speeds that a port may have (baud).
const BAUD: std::ops::RangeInclusive<i64> = 50..=4_000_000;

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let device = read_device(table);
    let line = LineSettings {
        baud: u32::try_from(table.integer("baud", BAUD).value_or(9_600)).ok()?,
        parity: table
            .choice("parity", &[("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)])
            .value_or(Parity::None),
        data_bits: u8::try_from(table.integer("data_bits", 5..=8).value_or(8)).ok()?,
        has_two_stop_bits: table.integer("stop_bits", 1..=2).value_or(1) == 2,
        has_flow_control: table.choice("flow", &[("none", false), ("hardware", true)]).value_or(false),
    };
    let topic = TopicTemplate::literal(&context.source);
    let decode = DecodeConfig::read(table, labels, Some(vec![topic]));
    Some(Box::new(Serial { device: device?, line, decode: decode?, context: context.clone() }))
}

/// `None`: there were mistakes.
fn read_device(table: &mut Table<'_>) -> Option<String> {
    let fix =
        "write the device: `device = \"/dev/serial/by-id/usb-…\"`, or a pattern such as \"/dev/ttyUSB*\"";
    let Some(device) = table.string("device") else {
        table.missing("device", fix);
        return None;
    };
    if !device.value.starts_with('/') || Pattern::new(&device.value).is_err() {
        table.refuse(device.span, format!("`device` cannot be `{}`", device.value), fix);
        return None;
    }
    Some(device.value)
}

/// Ports that have a name of their own, whichever order they are plugged in.
fn find(root: &Path) -> Vec<FoundDevice> {
    let ports = sysfs::entries(&root.join("dev/serial/by-id"), "");
    let ports =
        ports.iter().map(|port| sysfs::name(port)).filter(|name| !name.contains(['"', '\\', '[', '*', '?']));
    let found = |name: &str| FoundDevice {
        name: "serial".to_owned(),
        what: format!("the serial port {name}"),
        table: format!("type = \"serial\"\ndevice = \"/dev/serial/by-id/{name}\"\nbaud = 9600\n"),
    };
    ports.map(found).collect()
}
